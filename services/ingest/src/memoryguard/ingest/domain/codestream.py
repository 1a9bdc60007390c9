# SPDX-License-Identifier: Apache-2.0
"""Blanks the comments of compressed pixels: encoders, and people, write text into them.

The coded samples stay as they are, and so does every length.
"""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.elements import JPEG_2000, JPEG_LS, malformed
from memoryguard.ingest.domain.runlengths import pixels_only

_START = {**dict.fromkeys(JPEG_2000, b"\xff\x4f"), **dict.fromkeys(JPEG_LS, b"\xff\xd8")}
_END = 0xD9
_SEGMENTS = {
    # ISO/IEC 15444-1 table A.2: sizes, coding, quantization, lengths of packets, packed headers
    **dict.fromkeys(
        JPEG_2000, frozenset((*range(0x50, 0x54), 0x55, 0x57, 0x58, *range(0x5C, 0x64)))
    ),
    # ISO/IEC 14495-1 annex C: frame, parameters, number of lines, interval of restarts
    **dict.fromkeys(JPEG_LS, frozenset((0xF7, 0xF8, 0xDC, 0xDD))),
}
_COMMENTS = {
    **dict.fromkeys(JPEG_2000, frozenset((0x64,))),
    **dict.fromkeys(JPEG_LS, frozenset((0xFE, *range(0xE0, 0xF0)))),
}
_TILE, _TILE_DATA = 0x90, 0x93  # of JPEG 2000
_SCAN, _RESTARTS = 0xDA, range(0xD0, 0xD8)  # of JPEG-LS


def blanked(
    fragments: Sequence[memoryview],
    frames: int,
    transfer_syntax: str,
    *,
    pixels: int,
    bytes_each: int,
) -> tuple[bytes, ...]:
    """Give the fragments of all frames with their comments, and what else is no pixel, blanked.

    Parameters
    ----------
    fragments
        The offset table, then one fragment for each frame.
    frames
        How many frames there are.
    transfer_syntax
        JPEG 2000, JPEG-LS or RLE.
    pixels, bytes_each
        Of one frame; bytes of one pixel. RLE alone does not say itself where it ends.

    Raises
    ------
    Rejected
        ``malformed_dicom``: frames in several fragments, or no codestream.
    """
    if len(fragments) != frames + 1:
        raise malformed("a compressed frame is not in one fragment")
    if transfer_syntax not in _START:
        return (b"", *(pixels_only(bytes(part), pixels, bytes_each) for part in fragments[1:]))
    return (b"", *(_blanked(bytearray(part), transfer_syntax) for part in fragments[1:]))


def _blanked(code: bytearray, transfer_syntax: str) -> bytes:
    """Walk all marker segments: 2 bytes marker, 2 bytes length, content; skip the coded samples.

    What follows the end of the picture is blanked as well.
    """
    if not code.startswith(_START[transfer_syntax]):
        raise malformed("compressed pixels do not start with a codestream")
    at, tile_end = 2, 0
    while at + 2 <= len(code) and code[at] == 0xFF and code[at + 1] != _END:
        marker = code[at + 1]
        if marker == _TILE_DATA and at < tile_end:
            at = tile_end
            continue
        after = _segment_end(code, at)
        if marker in _COMMENTS[transfer_syntax]:
            keep = 6 if marker == 0x64 else 4  # a JPEG 2000 comment has its kind first
            code[at + keep : after] = bytes(max(0, after - at - keep))
        elif transfer_syntax in JPEG_2000 and marker == _TILE:
            tile_end = _tile_end(code, at)
        elif transfer_syntax in JPEG_LS and marker == _SCAN:
            after = _scan_end(code, after)
        elif marker not in _SEGMENTS[transfer_syntax]:
            raise _broken()
        at = after
    _blank_rest(code, at, complete=tile_end > 0)
    return bytes(code)


def _segment_end(code: bytearray, at: int) -> int:
    length = int.from_bytes(code[at + 2 : at + 4], "big")
    if length < 2 or at + 2 + length > len(code):
        raise _broken()
    return at + 2 + length


def _tile_end(code: bytearray, at: int) -> int:
    """Where a tile-part ends (A.4.2); one that says 0 is the last and goes on to the end."""
    length = int.from_bytes(code[at + 6 : at + 10], "big")
    if length == 0:
        found = code.rfind(b"\xff\xd9")
        return found if found > at else len(code)
    if length < 14 or at + length > len(code):
        raise _broken()
    return at + length


def _scan_end(code: bytearray, at: int) -> int:
    """Where the next marker is: within coded samples a byte below 0x80 follows each 0xFF (A.1)."""
    while (at := code.find(0xFF, at)) >= 0 and at + 1 < len(code):
        if code[at + 1] >= 0x80 and code[at + 1] not in (*_RESTARTS, 0xFF):
            return at
        at += 1
    raise _broken()


def _blank_rest(code: bytearray, at: int, *, complete: bool) -> None:
    """Blank what follows the end; some encoders of JPEG 2000 leave the end out."""
    if code.startswith(b"\xff\xd9", at):
        code[at + 2 :] = bytes(len(code) - at - 2)
    elif not complete or any(code[at:]):
        raise _broken()


def _broken() -> Rejected:
    return malformed("compressed pixels are broken, or hold more than pixels")
