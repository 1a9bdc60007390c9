# SPDX-License-Identifier: Apache-2.0
"""Writes a DICOM file (PS3.10): explicit VR little endian, zero preamble, nothing of its source."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Part: TypeAlias = bytes | memoryview

IMPLEMENTATION_UID = "2.25.114895211432270113957316843237406519823"
IMPLEMENTATION_NAME = "MEMORYGUARD"

_LONG_VRS = frozenset(
    {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
)
_ZERO_PADDED = frozenset({"UI", "OB", "OW"})


@dataclass(frozen=True, slots=True)
class Written:
    """A value to write: bytes, or items, or fragments."""

    vr: str
    value: bytes | memoryview = b""
    items: tuple[Mapping[int, Written], ...] = ()
    fragments: tuple[bytes, ...] | None = None


def file_bytes(
    dataset: Mapping[int, Written], *, sop_class: str, sop_uid: str, transfer_syntax: str
) -> bytes:
    """Write a whole file."""
    meta = {
        0x00020001: Written("OB", b"\x00\x01"),
        0x00020002: Written("UI", sop_class.encode()),
        0x00020003: Written("UI", sop_uid.encode()),
        0x00020010: Written("UI", transfer_syntax.encode()),
        0x00020012: Written("UI", IMPLEMENTATION_UID.encode()),
        0x00020013: Written("SH", IMPLEMENTATION_NAME.encode()),
    }
    body = b"".join(_elements(meta))
    length = _element(0x00020000, Written("UL", struct.pack("<I", len(body))))
    return b"".join((bytes(128), b"DICM", *length, body, *_elements(dataset)))


def _elements(dataset: Mapping[int, Written]) -> list[Part]:
    """Write elements as parts to be joined once: pixels are too large to be copied twice."""
    return [part for tag in sorted(dataset) for part in _element(tag, dataset[tag])]


def _element(tag: int, written: Written) -> list[Part]:
    if written.fragments is not None:
        return [_header(tag, written.vr, 0xFFFFFFFF), *_fragments(written.fragments)]
    value = written.value
    if written.vr == "SQ":
        value = b"".join(part for item in written.items for part in _item(_elements(item)))
    padding = b"\0" if written.vr in _ZERO_PADDED else b" "
    odd = len(value) % 2
    return [_header(tag, written.vr, len(value) + odd), value, padding * odd]


def _fragments(fragments: Sequence[bytes]) -> list[Part]:
    items = [part for code in fragments for part in _item([code, b"\0" * (len(code) % 2)])]
    return [*items, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)]


def _item(parts: list[Part]) -> list[Part]:
    return [struct.pack("<HHI", 0xFFFE, 0xE000, sum(map(len, parts))), *parts]


def _header(tag: int, vr: str, length: int) -> bytes:
    where = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in _LONG_VRS:
        return where + struct.pack("<HI", 0, length)
    return where + struct.pack("<H", length)
