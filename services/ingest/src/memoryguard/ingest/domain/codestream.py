# SPDX-License-Identifier: Apache-2.0
"""Blanks the comments of compressed pixels: encoders, and people, write text into them.

The coded samples stay as they are, and so does every length.
"""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.ingest.domain.elements import JPEG_2000, JPEG_LS, malformed

_START = {**dict.fromkeys(JPEG_2000, b"\xff\x4f"), **dict.fromkeys(JPEG_LS, b"\xff\xd8")}
_DATA_FOLLOWS = {**dict.fromkeys(JPEG_2000, (0x90,)), **dict.fromkeys(JPEG_LS, (0xDA,))}
_COMMENTS = {
    **dict.fromkeys(JPEG_2000, (0x64,)),
    **dict.fromkeys(JPEG_LS, (0xFE, *range(0xE0, 0xF0))),
}


def blanked(
    fragments: Sequence[memoryview], frames: int, transfer_syntax: str
) -> tuple[bytes, ...]:
    """Give the fragments of all frames with their comments blanked.

    Parameters
    ----------
    fragments
        The offset table, then one fragment for each frame.
    frames
        How many frames there are.
    transfer_syntax
        JPEG 2000, JPEG-LS or RLE; RLE has no comments.

    Raises
    ------
    Rejected
        ``malformed_dicom``: frames in several fragments, or no codestream.
    """
    if len(fragments) != frames + 1:
        raise malformed("a compressed frame is not in one fragment")
    if transfer_syntax not in _START:
        return (b"", *(bytes(part) for part in fragments[1:]))
    return (b"", *(_blanked(bytearray(part), transfer_syntax) for part in fragments[1:]))


def _blanked(code: bytearray, transfer_syntax: str) -> bytes:
    """Walk the marker segments of the main header; 2 bytes marker, 2 bytes length, content."""
    if not code.startswith(_START[transfer_syntax]):
        raise malformed("compressed pixels do not start with a codestream")
    at = 2
    while at + 4 <= len(code) and code[at] == 0xFF:
        marker, length = code[at + 1], int.from_bytes(code[at + 2 : at + 4], "big")
        if marker in _DATA_FOLLOWS[transfer_syntax]:
            return bytes(code)
        if length < 2 or at + 2 + length > len(code):
            break
        if marker in _COMMENTS[transfer_syntax]:
            keep = 6 if marker == 0x64 else 4  # a JPEG 2000 comment has its kind first
            code[at + keep : at + 2 + length] = bytes(max(0, length + 2 - keep))
        at += 2 + length
    raise malformed("the header of compressed pixels is broken")
