# SPDX-License-Identifier: Apache-2.0
"""A line between a server and its caller, on which somebody listens and changes what passes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

ASKED, TOLD = b"what the caller asks", b"what the server tells"


@dataclass
class Line:
    """What has passed; and whether the last byte of whatever passes is changed."""

    heard: bytearray = field(default_factory=bytearray)
    changing: bool = False

    def carry(self, piece: bytes) -> bytes:
        self.heard += piece
        return piece[:-1] + bytes([piece[-1] ^ 1]) if self.changing and piece else piece


class End:
    """One end of TLS, without a socket."""

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.arriving, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "localhost"
        self.tls = context.wrap_bio(
            self.arriving, self.leaving, server_side=server, server_hostname=name
        )

    def shook_hands(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def send(self, line: Line, other: End) -> None:
        other.arriving.write(line.carry(self.leaving.read()))


def told(line: Line, server: ssl.SSLContext | None, caller: ssl.SSLContext | None) -> bytes | None:
    """Ask a server over the line; None when one of the two notices that bytes were changed.

    Only what is said is changed, not the handshake: that would end before anything is said.
    """
    if server is None or caller is None:
        line.carry(ASKED)
        return line.carry(TOLD)
    changing, line.changing = line.changing, False
    ends = here, there = End(caller, server=False), End(server, server=True)
    for _ in range(4):
        for end, other in (ends, ends[::-1]):
            end.shook_hands()
            end.send(line, other)
    line.changing = changing
    try:
        return _asked(line, here, there)
    except ssl.SSLError:
        return None


def _asked(line: Line, here: End, there: End) -> bytes:
    here.tls.write(ASKED)
    here.send(line, there)
    there.tls.read()
    there.tls.write(TOLD)
    there.send(line, here)
    return here.tls.read()
