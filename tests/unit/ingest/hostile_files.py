# SPDX-License-Identifier: Apache-2.0
"""Files made to hurt whoever reads them, and what becomes of each: the code, or ``accepted``.

An outcome is that of looking at one file and, where that succeeds, of writing it anew without
identity. What only a whole series can tell (gaps, two patients) is tested with the series.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ingest_samples import (
    ITEM,
    ITEM_END,
    OPEN,
    ROOT,
    SEQUENCE_END,
    element,
    enhanced_dataset,
    file_of,
    slice_file,
    with_raw,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

Files: TypeAlias = Iterator[tuple[str, bytes, str]]

PRIVATE = 0x00191010
RLE, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.{end}" for end in ("5", "4.80", "4.90"))


def hostile_files() -> Files:
    """Give every file with its name and what must become of it."""
    for part in (_bombs, _cut, _shams, _contradictions, _identifiers, _pixels, _geometry, _codes):
        yield from part()
    yield from _carriers()


def _bombs() -> Files:
    yield "deflate bomb", _deflated(), "unsupported_transfer_syntax"
    items = element(PRIVATE, b"SQ", (ITEM + bytes(4)) * 500_000)
    yield "500,000 empty items", with_raw(items), "too_many_elements"
    yield "300,000 elements", with_raw(_many_elements(300_000)), "too_many_elements"
    yield "99,000 elements", with_raw(_many_elements(99_000)), "accepted"
    for depth in (17, 200, 3000, 200_000):
        yield f"{depth} sequences, open", with_raw(_open(depth, b"SQ")), "nested_too_deep"
    yield "3,000 sequences in UN", with_raw(_open(3000, b"UN")), "nested_too_deep"
    yield "200 sequences", with_raw(_closed(200)), "nested_too_deep"
    yield "16 sequences", with_raw(_open(16, b"SQ")), "accepted"
    yield "200 MB of pixels", bytes(128) + b"DICM" + bytes(200 << 20), "too_large"
    fragments = (ITEM + bytes(4)) * 200_000 + SEQUENCE_END + bytes(4)
    yield "200,000 fragments", _replaced_pixels(fragments), "too_many_elements"
    long = element(0x00100010, b"PN", b"=".join([b"^" * 100] * 640))
    yield "a name of 64 KB", _with(long), "accepted"
    many = element(0x00280030, b"DS", b"1\\" * 32_000)
    yield "32,000 numbers for two", _with(many), "bad_geometry"


def _cut() -> Files:
    whole, implicit = slice_file(0), slice_file(0, implicit=True)
    yield "preamble alone", whole[:132], "truncated_file"
    yield "cut in a tag", whole[: whole.index(b"\xe0\x7f\x10\x00") + 2], "truncated_file"
    yield "cut in half", whole[: len(whole) // 2], "truncated_file"
    yield "implicit, cut in half", implicit[: len(implicit) // 2], "truncated_file"
    yield "without its last byte", whole[:-1], "truncated_file"
    for vr, size in ((b"OW", 0xFFFFFFF0), (b"UN", 0x7FFFFFFF), (b"SQ", 0xFFFFFFFE)):
        name = f"{vr.decode()} of {size} bytes that are not there"
        yield name, with_raw(element(PRIVATE, vr, b"x" * 100, size)), "truncated_file"
    at = implicit.index(b"\xe0\x7f\x10\x00")
    endless = struct.pack("<HHI", 0x19, 0x1010, 0xFFFFFFF0) + b"x" * 100
    yield "implicit, 4 GB", implicit[:at] + endless + implicit[at:], "truncated_file"
    raw = element(PRIVATE, b"SQ", ITEM + OPEN, 0xFFFFFFFF)
    yield "a sequence without an end", whole + raw, "truncated_file"
    yield "a sequence that swallows the pixels", with_raw(raw), "truncated_file"


def _shams() -> Files:
    for start in (b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh\n", b"\xcf\xfa\xed\xfe", b"%PDF-1.7"):
        preamble = start.ljust(128, b"\0")
        yield f"DICOM and {start!r}", slice_file(0, preamble=preamble), "hostile_preamble"
    yield "DICOM and a page", slice_file(0, preamble=b"<html>".ljust(128)), "hostile_preamble"
    yield "nothing", b"", "empty_upload"
    yield "a page", b"<html>" * 100, "not_dicom"
    yield "an archive", b"PK\x03\x04" + bytes(500), "not_dicom"
    yield "garbage", bytes(range(256)) * 20, "not_dicom"
    yield "without preamble", slice_file(0)[132:], "not_dicom"
    big_endian = slice_file(0).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")
    yield "big endian", big_endian, "unsupported_transfer_syntax"
    unknown = slice_file(0).replace(b"1.2.840.10008.1.2.1\0", b"1.2.3.4.5.6.7.8.9.0\0")
    yield "unknown transfer syntax", unknown, "unsupported_transfer_syntax"


def _contradictions() -> Files:
    for name, raw in (
        ("an unknown VR", element(PRIVATE, b"ZZ", b"xx")),
        ("a VR of control characters", element(PRIVATE, b"\x00\x01", b"xx")),
        ("a slope said to be pointers", element(0x00281053, b"AT", b"1.50")),
        ("a UID said to be numbers", element(0x00209164, b"US", b"1.2.34")),
        ("a slope said to be bytes", element(0x00281053, b"OB", b"1.50")),
        ("an attribute twice", element(0x00280010, b"US", b"\x20\0")),
        ("file meta in the data set", element(0x00020010, b"UI", b"1.2\0")),
        ("a delimiter in the data set", element(0xFFFEE00D, b"UN", b"")),
        ("a sequence of garbage", element(PRIVATE, b"SQ", b"garbage!")),
        ("text of undefined length", element(PRIVATE, b"OW", b"", 0xFFFFFFFF)),
    ):
        yield name, with_raw(raw), "malformed_dicom"
    plain = slice_file(0)
    length = plain.index(b"\x02\0\0\0UL\x04\0") + 8
    for size in (0, 1, 0xFFFFFFFF):
        wrong = plain[:length] + struct.pack("<I", size) + plain[length + 4 :]
        yield f"group length {size}", wrong, "accepted"
    fragments = ITEM + bytes(4) + SEQUENCE_END + bytes(4)
    yield "fragments of plain pixels", _replaced_pixels(fragments, None), "malformed_dicom"
    yield "pixels twice", plain + plain[plain.index(b"\xe0\x7f\x10\0OW") :], "malformed_dicom"


def _identifiers() -> Files:
    for uid in ("../../../../etc/cron.d/x", "1", "1..2", "1.2\n3.4", "'; drop table scans; --"):
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            yield f"{keyword} {uid!r}", _changed(**{keyword: uid}), "malformed_dicom"
    plain = slice_file(0)
    inner = plain.rindex(f"{ROOT}.1.1".encode())
    other = plain[:inner] + b"2" + plain[inner + 1 :]
    yield "another object within than outside", other, "other_object"
    for name, value in (
        ("line ends and escapes", "Doe\r\n^\x1b[31mroot\x1b[0m"),
        ("markup", "<script>alert(1)</script>^=cmd|' /C calc'!A0"),
        ("right to left", "\u202eenaj^eod"),
        ("zero bytes", "Doe\0\0^Jane"),
    ):
        raw = element(0x00100010, b"PN", (value + " " * (len(value) % 2)).encode())
        yield f"a name with {name}", _with(raw), "accepted"
    for text in (b"ISO_IR 192", b"NO SUCH SET", b"\\ISO 2022 IR 87", b"\xff\xfe\x1b$B"):
        raw = element(0x00080005, b"CS", text + b" " * (len(text) % 2))
        yield f"character set {text!r}", _with(raw, b"\xff\xfe\x80\x1b$B"), "accepted"


def _pixels() -> Files:
    for keyword, value, code in (
        ("Rows", 65535, "too_large"),
        ("Columns", 65535, "too_large"),
        ("NumberOfFrames", 2**31 - 2, "too_large"),
        ("NumberOfFrames", "1e9", "too_large"),
        ("NumberOfFrames", "99" * 999, "missing_attribute"),
        ("NumberOfFrames", 4096, "truncated_file"),
        ("NumberOfFrames", -1, "bad_pixel_format"),
        ("Rows", 0, "bad_pixel_format"),
        ("Rows", 31, "bad_pixel_format"),
        ("BitsAllocated", 12, "bad_pixel_format"),
        ("BitsAllocated", 0, "bad_pixel_format"),
        ("BitsStored", 17, "bad_pixel_format"),
        ("HighBit", 15, "bad_pixel_format"),
        ("PixelRepresentation", 7, "bad_pixel_format"),
        ("PixelRepresentation", 1, "accepted"),
        ("RescaleSlope", "0", "bad_pixel_format"),
        ("RescaleSlope", "NaN", "bad_pixel_format"),
        ("RescaleIntercept", "-Infinity", "bad_pixel_format"),
        ("WindowWidth", "1e999", "accepted"),
        ("SamplesPerPixel", 3, "unsupported_object"),
        ("PhotometricInterpretation", "RGB", "unsupported_object"),
        ("PhotometricInterpretation", "MONOCHROME1", "accepted"),
    ):
        yield f"{keyword} = {str(value)[:12]}", _changed(**{keyword: value}), code
    none = slice_file(0)
    yield "no pixels", none[: none.index(b"\xe0\x7f\x10\0OW")], "truncated_file"
    yield "32 MB in 64 bytes", _bomb(4096, 4096, 1), "malformed_dicom"
    yield "RLE bomb", _bomb(65535, 65535, 1), "too_large"
    yield "RLE bomb of frames", _bomb(4096, 4096, 4096), "too_large"


def _geometry() -> Files:
    for keyword, *values in (
        ("PixelSpacing", "0", "1"),
        ("PixelSpacing", "-1", "1"),
        ("PixelSpacing", "1e999", "NaN"),
        ("PixelSpacing", "1e-320", "1"),
        ("ImageOrientationPatient", *"000000"),
        ("ImageOrientationPatient", *"100100"),
        ("ImageOrientationPatient", "1", "0", "0", "0", "1"),
        ("ImagePositionPatient", "NaN", "0", "0"),
        ("ImagePositionPatient", "1e300", "0", "0"),
        ("ImagePositionPatient", "0x10", "0", "0"),
    ):
        code = "accepted" if values[0] == "1e-320" else "bad_geometry"
        yield f"{keyword} = {values}", slice_file(0, _texts(keyword, values)), code
    yield "a planning image", _changed(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "accepted"
    yield "an enhanced object", file_of(enhanced_dataset()), "accepted"
    fewer = enhanced_dataset()
    fewer.PerFrameFunctionalGroupsSequence = Sequence(
        list(fewer.PerFrameFunctionalGroupsSequence)[:-1]
    )
    yield "a frame without a place", file_of(fewer), "bad_geometry"
    scaled, scaling = enhanced_dataset(), Dataset()
    scaling.add_new("RescaleSlope", "LO", "NaN")
    scaled.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence = Sequence(
        [scaling]
    )
    yield "a frame scaled by nothing", file_of(scaled), "bad_pixel_format"


_ZEROS = b"\x81\0" * 8
"""1,024 of them, one byte of every pixel, in run lengths."""


def _run_lengths(*head: int) -> bytes:
    """Header of run lengths: how many segments, and where each begins."""
    return struct.pack("<16I", *head, *[0] * (16 - len(head)))


def _codes() -> Files:
    """Compressed pixels: nothing is decoded here, yet the comments must be found."""
    for syntax, code in (
        (JPEG_2000, b"not a codestream"),
        (JPEG_2000, b"\xff\x4f\xff\x51\xff\xff"),
        (JPEG_2000, b"\xff\x4f"),
        (JPEG_2000, b"\xff\x4f" + b"\xff\x64\x00\x00" * 100),
        (JPEG_LS, b"\xff\xd8\xff\xf7\x00\x0b"),
        (JPEG_LS, b"\xff\xd8\xff\xe8\x00\x01" * 9),
        (JPEG_LS, b""),
        (RLE, b""),
        (RLE, bytes(64)),
        (RLE, _run_lengths(1, 64) + _ZEROS * 2),
        (RLE, _run_lengths(2, 64) + _ZEROS * 2),
        (RLE, _run_lengths(2, 80, 64) + _ZEROS * 2),
        (RLE, _run_lengths(2, 60, 80) + _ZEROS * 2),
        (RLE, _run_lengths(2, 64, 2**32 - 1) + _ZEROS * 2),
        (RLE, _run_lengths(2, 64, 80) + _ZEROS + _ZEROS[:-2]),
        (RLE, _run_lengths(2, 64, 80) + _ZEROS + _ZEROS[:-1]),
        (RLE, _run_lengths(2, 64, 80) + _ZEROS + b"\x7fSECRETNAME"),
        (RLE, _run_lengths(2, 64, 80) + _ZEROS + b"\x80" * 3000 + _ZEROS),
    ):
        data = slice_file(0, _coded(code), syntax=syntax)
        yield f"codestream {code!r} of {syntax[-4:]}", data, "malformed_dicom"
    two = slice_file(0, _coded(b"\xff\x4f", b"\xff\x90"), syntax=JPEG_2000)
    yield "a frame in two fragments", two, "malformed_dicom"
    yield "no frame", slice_file(0, _coded(), syntax=JPEG_2000), "truncated_file"
    offsets = ITEM + struct.pack("<I", 8) + b"\xff" * 8
    black = _run_lengths(2, 64, 80) + _ZEROS * 2
    fragment = ITEM + struct.pack("<I", len(black)) + black
    bad_table = _replaced_pixels(offsets + fragment + SEQUENCE_END + bytes(4))
    yield "offsets that point nowhere", bad_table, "accepted"  # the table is written anew
    beyond = ITEM + bytes(4) + ITEM + b"\xf0\xff\xff\xff" + bytes(64)
    yield "a fragment of 4 GB", _replaced_pixels(beyond), "truncated_file"
    endless = ITEM + bytes(4) + ITEM + struct.pack("<I", 64) + bytes(64)
    yield "fragments without an end", _replaced_pixels(endless), "truncated_file"


def _carriers() -> Files:
    """Identity where no attribute says that it is one."""
    yield "burned-in text", _changed(BurnedInAnnotation="YES"), "burned_in_annotation"
    embedded = element(0x60000102, b"US", b"\x0c\0")
    yield "an overlay in the pixels", with_raw(embedded), "burned_in_annotation"
    for modality, sop_class, code in (
        ("MR", "1.2.840.10008.5.1.4.1.1.7", "unsupported_object"),
        ("MR", "1.2.840.10008.5.1.4.1.1.104.1", "unsupported_object"),
        ("MR", "1.2.840.10008.1.3.10", "unsupported_object"),
        ("SR", "1.2.840.10008.5.1.4.1.1.88.33", "unsupported_modality"),
        ("CT", "1.2.840.10008.5.1.4.1.1.2", "unsupported_modality"),
    ):
        data = _changed(Modality=modality, SOPClassUID=sop_class)
        yield f"{modality} of class {sop_class[-6:]}", data, code


# --- how they are made -----------------------------------------------------------------------


def _deflated() -> bytes:
    data = slice_file(0).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    return data[:400] + zlib.compress(bytes(64 << 20))


def _many_elements(number: int) -> bytes:
    return b"".join(
        element(0x00210000 + n % 0xFFFF + (n // 0xFFFF << 17), b"US", b"\0\0")
        for n in range(number)
    )


def _closed(depth: int) -> bytes:
    raw = b""
    for _ in range(depth):
        raw = element(PRIVATE, b"SQ", ITEM + struct.pack("<I", len(raw)) + raw)
    return raw


def _open(depth: int, vr: bytes) -> bytes:
    outer = struct.pack("<HH", 0x19, 0x1010) + vr + b"\0\0" + OPEN + ITEM + OPEN
    inner = outer if vr == b"SQ" else struct.pack("<HH", 0x19, 0x1010) + OPEN + ITEM + OPEN
    end = ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)
    return outer + inner * (depth - 1) + end * depth


def _changed(**values: object) -> bytes:
    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return slice_file(0, change)


def _texts(keyword: str, values: list[str]) -> Callable[[Dataset], object]:
    """Write numbers as text: pydicom would not write them as numbers."""
    return lambda ds: ds.add_new(keyword, "LO", values)


def _with(raw: bytes, name: bytes | None = None) -> bytes:
    """One slice with an attribute replaced, and another name."""
    tag = raw[:4]
    data = slice_file(0)
    at = data.find(tag)
    if at >= 132:
        end = at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")
        data = data[:at] + raw + data[end:]
    else:
        at = data.index(b"\x08\0\x08\0CS")
        data = data[:at] + raw + data[at:]
    return data if name is None else data.replace(b"Doe^Jane", name.ljust(8))


def _replaced_pixels(raw: bytes, syntax: str | None = RLE) -> bytes:
    """One slice whose pixels are fragments as they are given."""
    data = slice_file(0, syntax=syntax) if syntax is None else _encapsulated(syntax)
    at = data.index(b"\xe0\x7f\x10\0O")
    return data[:at] + b"\xe0\x7f\x10\0OB\0\0" + OPEN + raw


def _encapsulated(syntax: str) -> bytes:
    return slice_file(0, _coded(bytes(64)), syntax=syntax)


def _coded(*fragments: bytes) -> Callable[[Dataset], object]:
    def change(ds: Dataset) -> None:
        raw = (ITEM + struct.pack("<I", len(code)) + code for code in (b"", *fragments))
        ds.PixelData = b"".join(raw)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True

    return change


def _bomb(rows: int, columns: int, frames: int) -> bytes:
    def change(ds: Dataset) -> None:
        ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
        _coded(*[bytes(64)] * frames)(ds)

    return slice_file(0, change, syntax=RLE)
