# SPDX-License-Identifier: Apache-2.0
"""Reads a DICOM file (PS3.10) under limits, into views of its bytes.

Our own walk, because a general parser accepts what must be refused: lengths beyond the end, files
cut in the middle, nesting without end. Nothing is copied, decoded or decompressed here.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain import tags

MAX_FILE_BYTES = 160 << 20
"""160 MiB: 300 slices of 512 x 512 in 16 bits. A parser holds it twice, within 512 MiB."""
MAX_ELEMENTS = 100_000
"""Elements and items of one file. 500 enhanced frames have about 50,000."""
MAX_DEPTH = 16

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
TRANSFER_SYNTAXES = frozenset({IMPLICIT, EXPLICIT, RLE}) | JPEG_LS | JPEG_2000
"""What can be read without inflating anything and decoded by permissively licensed codecs."""

_LONG_VRS = frozenset(
    ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)
_BINARY = frozenset(["FD", "FL", "SL", "SS", "UL", "US"])
_NUMERIC = _BINARY | {"DS", "IS"}
_OPAQUE = frozenset(["AT", "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UV"])
_TEXTS = frozenset(["AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UI"])
_VRS = {vr.encode(): vr for vr in _LONG_VRS | _NUMERIC | _OPAQUE | _TEXTS}
"""As they are written, and as they are named."""
_HEADER, _TAG, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HH"), struct.Struct("<I")
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PREAMBLE_BYTES = 128
_PROGRAMS = (
    *(b"MZ", b"\x7fELF", b"#!", b"PK", b"%PDF", b"<", b"\xca\xfe\xba\xbe"),
    *(b"\xfe\xed\xfa\xce", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe"),
)
"""First bytes of Windows, Linux and macOS programs, scripts, archives, documents and pages."""
_UID = re.compile(r"[0-9]{1,39}(\.[0-9]{1,39})+")


@dataclass(frozen=True, slots=True)
class Element:
    """One attribute: its value, or its items (a sequence), or its fragments (coded pixels)."""

    vr: str
    value: memoryview
    items: tuple[Dataset, ...] = ()
    fragments: tuple[memoryview, ...] | None = None


Dataset = dict[int, Element]


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A file that was read to its last byte."""

    meta: Dataset
    dataset: Dataset
    transfer_syntax: str
    elements: int


def read_file(data: bytes) -> DicomFile:
    """Read a file.

    Raises
    ------
    Rejected
        ``empty_upload``, ``too_large``, ``not_dicom``, ``hostile_preamble``, ``truncated_file``,
        ``malformed_dicom``, ``missing_attribute``, ``unsupported_transfer_syntax``,
        ``too_many_elements``, ``nested_too_deep``.
    """
    _check_start(data)
    walk = _Walk(memoryview(data))
    at = _PREAMBLE_BYTES + 4
    meta, at = walk.meta(at)
    if tags.TRANSFER_SYNTAX not in meta:
        raise Rejected("truncated_file", "the file ends in its file meta information")
    syntax = ascii_text(meta[tags.TRANSFER_SYNTAX])
    if syntax not in TRANSFER_SYNTAXES:
        raise Rejected(
            "unsupported_transfer_syntax",
            "the file is encoded in a way that is not read here",
            "convert it to Explicit VR Little Endian, for instance with gdcmconv --raw",
        )
    walk.encapsulated = syntax not in (IMPLICIT, EXPLICIT)
    dataset, _ = walk.dataset(at, len(data), depth=0, implicit=syntax == IMPLICIT, open_end=False)
    return DicomFile(meta, dataset, syntax, walk.count)


def ascii_text(element: Element) -> str:
    """Decode a value of the default repertoire, without its padding."""
    return bytes(element.value).decode("latin-1").strip(" \0")


def checked_uid(text: str) -> str:
    """Give back a UID that is one (PS3.5 9.1).

    Raises
    ------
    Rejected
        ``malformed_dicom``.
    """
    if len(text) > 64 or not _UID.fullmatch(text):
        raise malformed("an identifier is not a UID")
    return text


def malformed(message: str) -> Rejected:
    """Say that the file contradicts the standard."""
    return Rejected("malformed_dicom", message)


def truncated() -> Rejected:
    """Say that the file ends before it should."""
    return Rejected("truncated_file", "the file ends before its content does", "send it again")


def _check_start(data: bytes) -> None:
    if not data:
        raise Rejected("empty_upload", "there is nothing in it")
    if len(data) > MAX_FILE_BYTES:
        raise Rejected("too_large", "a file may have at most 160 MiB")
    if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] != b"DICM":
        raise Rejected("not_dicom", "this is not a DICOM file")
    if data.startswith(_PROGRAMS):
        raise Rejected("hostile_preamble", "the file is a program or document as well as DICOM")


def _agree(vr: str, known: str) -> bool:
    """Whether a value that is known as one kind may be stated as another, and mean the same."""
    if vr == known or known in _OPAQUE or known == "UN":
        return True
    return vr not in _OPAQUE and (vr not in _BINARY or known in _NUMERIC)


class _Walk:
    """Walks one file; counts what it sees."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.count = 0
        self.encapsulated = False

    def meta(self, at: int) -> tuple[Dataset, int]:
        """Read group 0002, which is always in explicit VR little endian."""
        found: Dataset = {}
        end = len(self._view)
        while at < end and self._tag(at, end) >> 16 == 0x0002:
            tag, element, at = self._element(at, end, depth=0, implicit=False)
            found[tag] = element
        return found, at

    def dataset(
        self, at: int, end: int, *, depth: int, implicit: bool, open_end: bool
    ) -> tuple[Dataset, int]:
        """Read elements up to ``end``, or up to the item delimiter where the end is open."""
        found: Dataset = {}
        while at < end:
            if open_end and self._tag(at, end) == _ITEM_END:
                return found, at + 8
            tag, element, at = self._element(at, end, depth=depth, implicit=implicit)
            if tag in found:
                raise malformed("an attribute occurs twice")
            if tag >> 16 in (0x0000, 0x0002, 0xFFFE):
                raise malformed("an attribute stands where it must not")
            found[tag] = element
        if open_end:
            raise truncated()
        return found, at

    def _element(
        self, at: int, end: int, *, depth: int, implicit: bool
    ) -> tuple[int, Element, int]:
        self._counted()
        tag, vr, length, at = self._header(at, end, implicit=implicit)
        if tag == tags.PIXEL_DATA and length == _UNDEFINED:
            fragments, at = self._fragments(at, end)
            return tag, Element(vr, self._view[at:at], fragments=fragments), at
        if vr == "SQ" or length == _UNDEFINED:
            # A sequence written as UN is in implicit VR whatever surrounds it (PS3.5 6.2.2).
            inner_implicit = implicit or vr == "UN"
            if vr not in ("SQ", "UN"):
                raise malformed("only a sequence may have an undefined length")
            items, at = self._items(at, end, length, depth=depth + 1, implicit=inner_implicit)
            return tag, Element("SQ", self._view[at:at], items=items), at
        if length > end - at:
            raise truncated()
        return tag, Element(vr, self._view[at : at + length]), at + length

    def _header(self, at: int, end: int, *, implicit: bool) -> tuple[int, str, int, int]:
        """Give tag, representation and length of an element, and where its value begins."""
        if end - at < _HEADER.size:
            raise truncated()
        group, number, stated, short = _HEADER.unpack_from(self._view, at)
        tag = group << 16 | number
        if implicit:
            return tag, tags.VR_OF.get(tag, "UN"), self._length(at + 4, end), at + 8
        vr = _VRS.get(stated)
        if vr is None:
            raise malformed("an attribute has an unknown value representation")
        if not _agree(vr, tags.VR_OF.get(tag, "UN")):
            raise malformed("text or a number is said to be something else")
        if vr in _LONG_VRS:
            return tag, vr, self._length(at + 8, end), at + 12
        return tag, vr, short, at + 8

    def _items(
        self, at: int, end: int, length: int, *, depth: int, implicit: bool
    ) -> tuple[tuple[Dataset, ...], int]:
        if depth > MAX_DEPTH:
            raise Rejected("nested_too_deep", f"sequences are nested deeper than {MAX_DEPTH}")
        open_end = length == _UNDEFINED
        if not open_end and length > end - at:
            raise truncated()
        stop = end if open_end else at + length
        found: list[Dataset] = []
        while at < stop:
            self._counted()
            tag, size = self._tag(at, stop), self._length(at + 4, stop)
            at += 8
            if open_end and tag == _SEQUENCE_END:
                return tuple(found), at
            if tag != _ITEM:
                raise malformed("a sequence holds something that is not an item")
            item, at = self._item(at, stop, size, depth=depth, implicit=implicit)
            found.append(item)
        if open_end:
            raise truncated()
        return tuple(found), at

    def _item(
        self, at: int, stop: int, size: int, *, depth: int, implicit: bool
    ) -> tuple[Dataset, int]:
        if size == _UNDEFINED:
            return self.dataset(at, stop, depth=depth, implicit=implicit, open_end=True)
        if size > stop - at:
            raise truncated()
        return self.dataset(at, at + size, depth=depth, implicit=implicit, open_end=False)

    def _fragments(self, at: int, end: int) -> tuple[tuple[memoryview, ...], int]:
        if not self.encapsulated:
            raise malformed("pixels are packed in fragments although they are not compressed")
        found: list[memoryview] = []
        while at < end:
            self._counted()
            tag, size = self._tag(at, end), self._length(at + 4, end)
            at += 8
            if tag == _SEQUENCE_END:
                return tuple(found), at
            if tag != _ITEM:
                raise malformed("compressed pixels hold something that is not a fragment")
            if size > end - at:
                raise truncated()
            found.append(self._view[at : at + size])
            at += size
        raise truncated()

    def _counted(self) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise Rejected("too_many_elements", f"a file may have at most {MAX_ELEMENTS} elements")

    def _tag(self, at: int, end: int) -> int:
        if end - at < _TAG.size:
            raise truncated()
        group, number = _TAG.unpack_from(self._view, at)
        return group << 16 | number

    def _length(self, at: int, end: int) -> int:
        if end - at < _LENGTH.size:
            raise truncated()
        return _LENGTH.unpack_from(self._view, at)[0]
