# SPDX-License-Identifier: Apache-2.0
"""What is not a whole T1 series of one person is refused, each with its code."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_samples import (
    ITEM,
    ITEM_END,
    OPEN,
    ROOT,
    SEQUENCE_END,
    changed,
    element,
    enhanced_dataset,
    file_of,
    refusal,
    series_files,
    slice_dataset,
    slice_file,
    taken,
    with_raw,
)
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from memoryguard.common.errors import Rejected
from memoryguard.ingest import parsing
from memoryguard.ingest.domain import series
from memoryguard.ingest.domain.inspect import inspect

PRIVATE_SQ = 0x00191010


def code_of(*files: bytes) -> str:
    """Refuse it, and give the code; no message may quote the file."""
    result = taken(files)
    said = [(e.message, e.hint) for e in (*result.refusals, *result.verdicts)]
    assert "SECRET" not in str(said)
    return refusal(files)


def code_of_series(change: object, **how: object) -> str:
    return code_of(*(data for _, data in series_files(change, **how)))  # type: ignore[arg-type]


def explicit(syntax: str) -> bytes:
    """The same bytes under another transfer syntax of the same length."""
    old = b"1.2.840.10008.1.2.1\0"
    return slice_file(0).replace(old, syntax.encode().ljust(len(old), b"\0"))


# --- not DICOM, cut off, hostile ------------------------------------------------------------


def test_nothing_is_refused() -> None:
    assert code_of(b"") == "empty_upload"


@pytest.mark.parametrize(
    "data",
    [
        *(b"x", b"\0" * 131, b"hello " * 100, b"<html>" * 100, b"\x7fELF" + bytes(500)),
        *(b"\x89PNG" + bytes(200), b"\x1f\x8b" + bytes(200), bytes(range(256)) * 20, bytes(1000)),
    ],
)
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    assert code_of(data) == "not_dicom"


def test_a_file_cut_anywhere_is_refused() -> None:
    data = slice_file(0)
    assert inspect(data).rows == 32
    for end in [*range(132, len(data) - 2048, 3), *range(len(data) - 2048, len(data), 97)]:
        with pytest.raises(Rejected) as error:
            inspect(data[:end])
        assert error.value.code == "truncated_file", end


def test_an_implicit_file_cut_anywhere_is_refused() -> None:
    data = slice_file(0, implicit=True)
    for end in range(132, len(data), 31):
        with pytest.raises(Rejected) as error:
            inspect(data[:end])
        assert error.value.code == "truncated_file", end


@pytest.mark.parametrize(
    "raw",
    [
        element(PRIVATE_SQ, b"OW", b"x" * 100, 0xFFFFFFF0),
        element(PRIVATE_SQ, b"UN", b"x" * 100, 0x7FFFFFFF),
        element(PRIVATE_SQ, b"LO", b"x" * 10, 0xFFFF),
        element(PRIVATE_SQ, b"SQ", ITEM + b"\0\0\0\x7f", 8),
        element(PRIVATE_SQ, b"SQ", b"", 0xFFFFFFFF - 1),
    ],
)
def test_lengths_beyond_the_end_are_refused(raw: bytes) -> None:
    assert code_of(with_raw(raw)) == "truncated_file"


def test_implicit_length_beyond_the_end_is_refused() -> None:
    data = slice_file(0, implicit=True)
    at = data.index(b"\xe0\x7f\x10\x00")
    raw = struct.pack("<HHI", 0x19, 0x1010, 0xFFFFFFF0) + b"x" * 100
    assert code_of(data[:at] + raw + data[at:]) == "truncated_file"


@pytest.mark.parametrize(
    "raw",
    [
        element(PRIVATE_SQ, b"SQ", ITEM + OPEN, 0xFFFFFFFF),
        element(PRIVATE_SQ, b"UN", ITEM + OPEN + ITEM_END + bytes(4), 0xFFFFFFFF),
    ],
)
def test_a_sequence_without_an_end_is_refused(raw: bytes) -> None:
    assert code_of(with_raw(raw)) in ("truncated_file", "malformed_dicom")
    ended = slice_file(0) + raw
    assert code_of(ended) == "truncated_file"


def nested(depth: int) -> bytes:
    raw = b""
    for _ in range(depth):
        raw = element(PRIVATE_SQ, b"SQ", ITEM + struct.pack("<I", len(raw)) + raw)
    return raw


def nested_open(depth: int, vr: bytes) -> bytes:
    raw = b""
    for level in range(depth):
        inner = vr if level == depth - 1 or vr == b"SQ" else b""
        header = struct.pack("<HH", 0x19, 0x1010) + (inner + b"\0\0" if inner else b"")
        body = header + OPEN + ITEM + OPEN + raw
        raw = body + ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)
    return raw


def test_deep_nesting_is_refused_and_ordinary_is_not() -> None:
    assert inspect(with_raw(nested(10)))
    assert inspect(with_raw(nested_open(10, b"SQ")))
    assert inspect(with_raw(nested_open(10, b"UN")))
    for depth in (17, 200, 3000):
        assert code_of(with_raw(nested_open(depth, b"SQ"))) == "nested_too_deep"
        assert code_of(with_raw(nested_open(depth, b"UN"))) == "nested_too_deep"
    assert code_of(with_raw(nested(200))) == "nested_too_deep"


def test_too_many_elements_are_refused_soon() -> None:
    items = element(PRIVATE_SQ, b"SQ", (ITEM + bytes(4)) * 500_000)
    elements = b"".join(
        element(0x00210000 + n % 0xFFFF + (n // 0xFFFF << 17), b"US", b"\0\0")
        for n in range(300_000)
    )
    for raw in (items, elements):
        data = with_raw(raw)
        start = time.process_time()
        assert code_of(data) == "too_many_elements"
        assert time.process_time() - start < 8.0


@pytest.mark.parametrize(
    "start",
    [
        *(b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh\n", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
        *(b"%PDF-1.7", b"<html>", b"PK\x05\x07"),
    ],
)
def test_a_program_that_is_dicom_as_well_is_refused(start: bytes) -> None:
    data = slice_file(0, preamble=start.ljust(128, b"\0"))
    assert code_of(data) == "hostile_preamble"


def test_a_harmless_preamble_is_taken_and_not_kept() -> None:
    files = series_files(preamble=b"II*\0SECRETNAME".ljust(128, b"\0"))
    result = taken([content for _, content in files])
    assert result.archive
    assert b"SECRETNAME" not in result.archive


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.50",
        "1.2.3",
        "",
    ],
)
def test_encodings_that_are_not_read_are_refused_before_anything_is_inflated(syntax: str) -> None:
    data = slice_file(0)
    old = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    assert code_of(data.replace(old, element(0x00020010, b"UI", value))) == (
        "unsupported_transfer_syntax"
    )


@pytest.mark.parametrize(
    "raw",
    [
        element(PRIVATE_SQ, b"ZZ", b"xx"),
        element(0x00280010, b"US", b"\x20\x00"),
        element(0x00020010, b"UI", b"1.2\0"),
        element(0x00000002, b"UI", b"1.2\0"),
        element(PRIVATE_SQ, b"SQ", b"garbage!"),
        element(PRIVATE_SQ, b"OW", b"", 0xFFFFFFFF),
    ],
)
def test_contradictions_of_the_standard_are_refused(raw: bytes) -> None:
    assert code_of(with_raw(raw)) == "malformed_dicom"


@given(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_damage_makes_anything_but_a_refusal(at: int, junk: bytes) -> None:
    """Whatever is overwritten: read or refused, never another error."""
    data = bytearray(slice_file(0))
    at %= len(data)
    data[at : at + len(junk)] = junk
    assert refusal([bytes(data)])  # one slice is never a scan


# --- what it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CT", "PT", "NM", "US", "XA", "SR", "OT", "SEG"])
def test_other_modalities_are_refused(modality: str) -> None:
    def change(ds: Dataset) -> None:
        ds.Modality = modality
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"

    assert code_of_series(change) == "unsupported_modality"


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.104.1",
        "1.2.840.10008.5.1.4.1.1.4.2",
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.5.1.4.1.1.2",
    ],
)
def test_other_objects_are_refused(sop_class: str) -> None:
    assert code_of_series(lambda ds: setattr(ds, "SOPClassUID", sop_class)) == "unsupported_object"


def test_colour_is_refused() -> None:
    def change(ds: Dataset) -> None:
        ds.PhotometricInterpretation = "RGB"

    assert code_of_series(change) == "unsupported_object"


@pytest.mark.parametrize(
    "keyword",
    [
        *("Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
        *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"),
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    ],
)
def test_missing_attributes_are_refused(keyword: str) -> None:
    assert code_of_series(lambda ds: delattr(ds, keyword)) == "missing_attribute"


def test_missing_pixels_are_refused() -> None:
    assert code_of_series(lambda ds: delattr(ds, "PixelData")) == "truncated_file"


@pytest.mark.parametrize("uid", ["../../../../etc/cron.d/x", "1", "1..2", "a.b", "1." * 40 + "1"])
def test_identifiers_that_are_none_are_refused(uid: str) -> None:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        ds = slice_dataset(0)
        changed(ds, lambda ds, k=keyword: setattr(ds, k, uid))
        assert code_of(file_of(ds)) == "malformed_dicom"


def test_another_object_outside_than_inside_is_refused() -> None:
    data = slice_file(0)
    inner = element(0x00080018, b"UI", f"{ROOT}.1.1".encode())
    assert inner[8:] in data
    at = data.rindex(inner[8:])
    assert code_of(data[:at] + inner[8:-1] + b"9" + data[at + len(inner) - 8 :]) == ("other_object")


# --- pixels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("Rows", 65535, "too_large"),
        ("Columns", 65535, "too_large"),
        ("NumberOfFrames", 2**31 - 2, "too_large"),
        ("NumberOfFrames", 4096, "truncated_file"),
        ("NumberOfFrames", 0, "bad_pixel_format"),
        ("NumberOfFrames", -1, "bad_pixel_format"),
        ("Rows", 0, "bad_pixel_format"),
        ("Rows", 33, "truncated_file"),
        ("Rows", 31, "bad_pixel_format"),
        ("BitsAllocated", 12, "bad_pixel_format"),
        ("BitsAllocated", 64, "bad_pixel_format"),
        ("BitsStored", 17, "bad_pixel_format"),
        ("BitsStored", 10, "bad_pixel_format"),
        ("HighBit", 15, "bad_pixel_format"),
        ("PixelRepresentation", 2, "bad_pixel_format"),
        ("RescaleSlope", "0", "bad_pixel_format"),
        ("RescaleSlope", "1e999", "bad_pixel_format"),
        ("SamplesPerPixel", 3, "unsupported_object"),
    ],
)
def test_pixels_that_contradict_their_description(keyword: str, value: object, code: str) -> None:
    assert code_of_series(lambda ds: setattr(ds, keyword, value), slices=20) == code


def compress(ds: Dataset) -> None:
    """One fragment of something."""
    ds.PixelData = encapsulate([b"x" * 64])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def test_a_decoding_bomb_is_refused_before_anything_is_decoded() -> None:
    def change(ds: Dataset) -> None:
        ds.Rows = ds.Columns = 4096
        ds.NumberOfFrames = 4096
        compress(ds)

    assert code_of(slice_file(0, change, syntax="1.2.840.10008.1.2.5")) == "too_large"


def test_compressed_frames_that_are_not_there() -> None:
    def change(ds: Dataset) -> None:
        ds.NumberOfFrames = 2
        compress(ds)

    assert code_of(slice_file(0, change, syntax="1.2.840.10008.1.2.4.90")) == "truncated_file"


def test_text_in_the_picture_is_refused() -> None:
    assert code_of_series(lambda ds: setattr(ds, "BurnedInAnnotation", "YES")) == (
        "burned_in_annotation"
    )
    embedded = element(0x60000102, b"US", b"\x0c\x00")
    assert code_of(with_raw(embedded)) == "burned_in_annotation"
    assert inspect(with_raw(element(0x60000102, b"US", b"\0\0")))


# --- geometry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", ["0", "1"]),
        ("PixelSpacing", ["-1", "1"]),
        ("PixelSpacing", ["NaN", "1"]),
        ("PixelSpacing", ["1e999", "1"]),
        ("PixelSpacing", ["1"]),
        ("PixelSpacing", ["100", "100"]),
        ("ImageOrientationPatient", ["0"] * 6),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"]),
        ("ImageOrientationPatient", ["2", "0", "0", "0", "1", "0"]),
        ("ImageOrientationPatient", ["1", "0", "0", "0.5", "0.86", "0"]),
        ("ImageOrientationPatient", ["1", "0", "0"]),
        ("ImagePositionPatient", ["NaN", "0", "0"]),
        ("ImagePositionPatient", ["inf", "0", "0"]),
        ("ImagePositionPatient", ["1e9", "0", "0"]),
        ("ImagePositionPatient", ["x", "0", "0"]),
    ],
)
def test_impossible_geometry_is_refused(keyword: str, value: list[str]) -> None:
    def change(ds: Dataset) -> None:
        ds.add_new(keyword, "LO", value)  # as text: pydicom would not write it as a number

    assert code_of_series(change) == "bad_geometry"


def test_a_series_with_a_gap_or_a_repeated_or_too_few_slices_is_refused() -> None:
    files = [data for _, data in series_files()]
    assert code_of(*files[:10], *files[11:]) == "incomplete_series"

    def again(ds: Dataset) -> None:
        ds.SOPInstanceUID = f"{ROOT}.77"

    assert code_of(*files, slice_file(5, again)) == "mixed_series"
    assert code_of(*files[:19]) == "too_few_slices"


def test_slices_that_do_not_fit_together_are_refused() -> None:
    files = [data for _, data in series_files()]

    def turned(ds: Dataset) -> None:
        ds.ImageOrientationPatient = ["0", "1", "0", "1", "0", "0"]

    def coarser(ds: Dataset) -> None:
        ds.PixelSpacing = ["2", "2"]

    def smaller(ds: Dataset) -> None:
        ds.Rows, ds.PixelData = 16, ds.PixelData[:1024]

    def another_study(ds: Dataset) -> None:
        ds.StudyInstanceUID = f"{ROOT}.66"

    for change in (turned, coarser, smaller, another_study):
        assert code_of(*files[:-1], slice_file(23, change)) == "mixed_series"


def test_a_tilted_stack_is_refused() -> None:
    def tilt(ds: Dataset) -> None:
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [str(x), str(round(float(y) + 0.2 * float(z), 4)), str(z)]

    assert code_of_series(tilt) == "bad_geometry"


def test_enhanced_frames_are_counted_and_placed() -> None:
    assert code_of(file_of(enhanced_dataset(19))) == "too_few_slices"
    gap = enhanced_dataset()
    gap.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence[0].ImagePositionPatient[2] = "99"
    assert code_of(file_of(gap)) == "incomplete_series"
    fewer = enhanced_dataset()
    fewer.PerFrameFunctionalGroupsSequence = Sequence(
        list(fewer.PerFrameFunctionalGroupsSequence)[:-1]
    )
    assert code_of(file_of(fewer)) == "bad_geometry"


# --- which series, whose ---------------------------------------------------------------------


def test_two_people_are_refused() -> None:
    files = [data for _, data in series_files()]
    for keyword, value in (
        ("PatientID", "OTHER"),
        ("IssuerOfPatientID", "ELSEWHERE"),
        ("PatientBirthDate", "19510115"),
    ):

        def change(ds: Dataset, keyword: str = keyword, value: str = value) -> None:
            setattr(ds, keyword, value)

        assert code_of(*files[:-1], slice_file(23, change)) == "mixed_patients"


@pytest.mark.parametrize(
    "name",
    [
        *("t2_tse_sag", "FLAIR", "T2 FLAIR 3D", "ep2d_diff_b1000", "ADC", "SWI", "PD", "TOF 3D"),
        *("t1_map", "localizer", "BOLD rest", "ASL", "mp2rage INV1"),
    ],
)
def test_other_weightings_are_refused(name: str) -> None:
    assert code_of_series(lambda ds: setattr(ds, "SeriesDescription", name)) == "no_t1_series"


def test_physics_has_a_veto() -> None:
    assert code_of_series(lambda ds: setattr(ds, "EchoTime", "95")) == "no_t1_series"
    assert code_of_series(lambda ds: setattr(ds, "ScanningSequence", "EP")) == "no_t1_series"


def test_only_localizers_are_refused() -> None:
    assert code_of_series(lambda ds: setattr(ds, "ImageType", ["ORIGINAL", "LOCALIZER"])) == (
        "localizer"
    )


def test_a_broken_scaling_within_an_enhanced_object_is_refused() -> None:
    for value in ("NaN", "1e999", "x"):
        ds = enhanced_dataset()
        scaling = Dataset()
        scaling.add_new("RescaleSlope", "LO", value)
        ds.PerFrameFunctionalGroupsSequence[3].PixelValueTransformationSequence = Sequence(
            [scaling]
        )
        with pytest.raises(Rejected) as error:
            taken([file_of(ds)])
        assert error.value.code == "bad_pixel_format"


def test_every_code_is_documented() -> None:
    raising = re.compile(r'Rejected\(\s*"(\w+)"|Verdict\(\s*"\w+", "(\w+)"')
    raised = {
        one or other
        for path in Path(series.__file__).parent.glob("*.py")
        for one, other in raising.findall(path.read_text("utf-8"))
    }
    listing = re.compile(r"^    ((?:[a-z0-9_]+, )*[a-z0-9_]+) ", re.MULTILINE)
    listed = [*listing.findall(parsing.__doc__ or ""), *listing.findall(series.__doc__ or "")]
    assert raised == {code for line in listed for code in line.split(", ")}
