# SPDX-License-Identifier: Apache-2.0
"""A temporary file that only this process can read: large things wait there, not in memory.

The file has no name. Blocks of 1 MiB are sealed with AES-256-GCM under a key that is never stored,
with their number as nonce, so what a crash leaves on the disk is noise.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import Buffer

BLOCK_BYTES = 1 << 20
_TAG_BYTES = 16
_SEALED_BYTES = BLOCK_BYTES + _TAG_BYTES


class Spool(io.RawIOBase):
    """Written once from start to end, then read anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the spool
        self._cipher = AESGCM(os.urandom(32))
        self._tail = bytearray()
        self._blocks = 0
        self._digest = hashlib.sha256()
        self._at = 0
        self._cached: tuple[int, bytes] = (-1, b"")
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of everything that was written, hexadecimal."""
        return self._digest.hexdigest()

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Write at the end."""
        self._digest.update(data)
        self.size += len(data)
        self._tail += data
        while len(self._tail) >= BLOCK_BYTES:
            self._seal(bytes(self._tail[:BLOCK_BYTES]))
            del self._tail[:BLOCK_BYTES]

    def chunks(self) -> Iterator[bytes]:
        """Give everything, block after block."""
        for number in range(self._blocks):
            yield self._block(number)
        if self._tail:
            yield bytes(self._tail)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Read as much as fits; less only at the end: `zipfile` takes it for the end."""
        view = memoryview(buffer).cast("B")
        read = 0
        while read < len(view) and (piece := self._piece(len(view) - read)):
            view[read : read + len(piece)] = piece
            read += len(piece)
            self._at += len(piece)
        return read

    def _piece(self, most: int) -> bytes:
        """Give what comes next, up to the end of its block."""
        number, within = divmod(self._at, BLOCK_BYTES)
        block = self._block(number) if number < self._blocks else self._tail
        return bytes(block[within : within + most])

    def _seal(self, block: bytes) -> None:
        self._file.seek(self._blocks * _SEALED_BYTES)
        self._file.write(self._cipher.encrypt(_nonce(self._blocks), block, None))
        self._blocks += 1

    def _block(self, number: int) -> bytes:
        if self._cached[0] != number:
            self._file.seek(number * _SEALED_BYTES)
            sealed = self._file.read(_SEALED_BYTES)
            self._cached = (number, self._cipher.decrypt(_nonce(number), sealed, None))
        return self._cached[1]


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
