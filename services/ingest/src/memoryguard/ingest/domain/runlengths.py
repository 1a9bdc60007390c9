# SPDX-License-Identifier: Apache-2.0
"""Walks RLE frames (PS3.5 annex G): only what gives pixels is kept, all else becomes zeros.

Between the segments, behind them, and in the header there is room for text that no decoder reads.
"""

from __future__ import annotations

import struct

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.elements import malformed

_HEADER = struct.Struct("<16I")
"""Number of segments, and places of at most 15."""
_NOTHING = 0x80
"""A byte that stands for no byte at all."""


def pixels_only(code: bytes, pixels: int, bytes_each: int) -> bytes:
    """Give a frame of the same length that holds its pixels, and nothing else.

    Parameters
    ----------
    code
        One frame.
    pixels
        Rows times columns.
    bytes_each
        Of one pixel; each is in a segment of its own, the highest first (G.2).

    Raises
    ------
    Rejected
        ``malformed_dicom``: other segments than the pixels have bytes, or too short ones.
    """
    if len(code) < _HEADER.size:
        raise _broken()
    count, *places = _HEADER.unpack_from(code)
    starts = places[:bytes_each]
    ascending = all(a < b for a, b in zip([_HEADER.size - 1, *starts], starts, strict=False))
    if count != bytes_each or not ascending:
        raise _broken()
    kept = bytearray(len(code))
    _HEADER.pack_into(kept, 0, count, *starts, *[0] * (15 - count))
    for start, stop in zip(starts, [*starts[1:], len(code)], strict=True):
        end = _end(code, start, min(stop, len(code)), pixels)
        kept[start:end] = code[start:end]
    return bytes(kept)


def _end(code: bytes, at: int, stop: int, size: int) -> int:
    """Where the bytes end that give ``size`` bytes (G.3.2); of a literal run only what is needed.

    No byte needs more than two: who takes more hides something, or wastes our time.
    """
    stop = min(stop, at + 2 * size)
    while size > 0 and at + 1 < stop:
        run = code[at]
        if run < _NOTHING:
            at += 1 + min(run + 1, size)
            size -= run + 1
        elif run > _NOTHING:
            at += 2
            size -= 257 - run
        else:
            at += 1
    if size > 0 or at > stop:
        raise _broken()
    return at


def _broken() -> Rejected:
    return malformed("run lengths give other pixels than rows and columns say")
