# SPDX-License-Identifier: Apache-2.0
"""Good scans go in: whole, deterministic, without identity."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from datetime import date, timedelta

import pydicom
import pytest
from ingest_samples import (
    CANARY,
    ROOT,
    SLICES,
    VAULT,
    Taken,
    element,
    enhanced_dataset,
    file_of,
    pixels,
    planted,
    series_files,
    slice_dataset,
    slice_file,
    taken,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from memoryguard.ingest.archive import pack


def contents(files: list[tuple[str, bytes]]) -> list[bytes]:
    return [content for _, content in files]


def unpacked(result: Taken) -> list[pydicom.FileDataset]:
    with zipfile.ZipFile(io.BytesIO(result.archive)) as archive:
        return [pydicom.dcmread(io.BytesIO(archive.read(name))) for name in archive.namelist()]


def test_a_good_series_goes_in() -> None:
    result = taken(contents(series_files()))
    assert result.subject_id == VAULT.subject_id("", "MRN-123")
    assert result.instances == SLICES
    assert result.person.age_years == 72.5
    assert result.person.sex == "F"
    acquisition = result.acquisition
    shift = timedelta(days=VAULT.date_shift_days(result.subject_id))
    assert acquisition.acquired_on == date(2022, 7, 15) + shift
    assert acquisition.spacing_mm == (1.25, 1.5, 1.0)
    assert (acquisition.manufacturer, acquisition.scanner_model) == ("Siemens", "Prisma")
    assert (acquisition.field_strength_t, acquisition.series) == (3.0, "T1 MPRAGE")
    assert result.notes == ()
    assert len(result.scan_id) == 36


@pytest.mark.parametrize("implicit", [False, True])
def test_pixels_and_geometry_survive_and_identity_does_not(implicit: bool) -> None:
    result = taken(contents(series_files(implicit=implicit)))
    for number, ds in enumerate(unpacked(result)):
        assert ds.PixelData == pixels(number)
        assert ds.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert ds.ImagePositionPatient == [-16.5, -16.25, number - 12 + 0.125]
        assert ds.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
        assert ds.PixelSpacing == [1.25, 1.5]
        assert (ds.Rows, ds.Columns, ds.BitsStored) == (32, 32, 12)
        assert ds.PatientName == ds.PatientID == result.subject_id
        assert ds.PatientBirthDate == ""
        assert (ds.PatientAge, ds.PatientSex) == ("072Y", "F")
        assert ds.InstanceNumber == number + 1
        assert ds.SeriesDescription == "T1 MPRAGE"


def test_the_object_says_how_it_was_deidentified() -> None:
    ds = unpacked(taken(contents(series_files())))[0]
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert ds.RecognizableVisualFeatures == "YES"
    stated = {item.CodeValue: item.CodeMeaning for item in ds.DeidentificationMethodCodeSequence}
    assert sorted(stated) == ["113100", "113105", "113107", "113108"]
    known = {
        getattr(codes.DCM, name).value: getattr(codes.DCM, name).meaning
        for name in (
            "BasicApplicationConfidentialityProfile",
            "CleanDescriptorsOption",
            "RetainLongitudinalTemporalInformationModifiedDatesOption",
            "RetainPatientCharacteristicsOption",
        )
    }
    assert stated == known


def test_uids_are_mapped_alike_within_a_person_and_differently_between() -> None:
    one = unpacked(taken(contents(series_files())))
    assert len({ds.SOPInstanceUID for ds in one}) == SLICES
    assert len({ds.SeriesInstanceUID for ds in one}) == 1
    assert all(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID for ds in one)
    assert all(
        uid.is_valid and uid.startswith("2.25.")
        for uid in (one[0].SOPInstanceUID, one[0].StudyInstanceUID, one[0].FrameOfReferenceUID)
    )
    assert ROOT.encode() not in taken(contents(series_files())).archive
    other = unpacked(taken(contents(series_files()), subject_id="c" * 32))
    assert other[0].StudyInstanceUID != one[0].StudyInstanceUID
    later = unpacked(taken(contents(series_files(series=2))))
    assert later[0].StudyInstanceUID == one[0].StudyInstanceUID
    assert later[0].SeriesInstanceUID != one[0].SeriesInstanceUID


def test_intervals_between_scans_survive() -> None:
    def later(ds: Dataset) -> None:
        ds.AcquisitionDate = "20240115"

    one = taken(contents(series_files())).acquisition.acquired_on
    two = taken(contents(series_files(later, series=2))).acquisition.acquired_on
    assert one is not None
    assert two is not None
    assert two - one == date(2024, 1, 15) - date(2022, 7, 15)


def test_the_order_of_files_does_not_change_the_scan() -> None:
    files = contents(series_files())
    expected = taken(files)
    random.Random(1).shuffle(files)
    assert taken(files).scan_id == expected.scan_id


def test_a_known_uploader_owns_the_scan() -> None:
    subject = VAULT.user_subject_id("u-1")
    result = taken(contents(series_files()), subject_id=subject)
    assert result.subject_id == subject
    assert unpacked(result)[0].PatientID == subject


def test_an_enhanced_object_goes_in() -> None:
    result = taken([file_of(enhanced_dataset())])
    ds = unpacked(result)[0]
    assert result.acquisition.spacing_mm == (1.25, 1.5, 1.0)
    assert ds.PixelData == b"".join(pixels(number) for number in range(SLICES))
    frames = ds.PerFrameFunctionalGroupsSequence
    assert [f.PlanePositionSequence[0].ImagePositionPatient[2] for f in frames] == [
        number - 12 + 0.125 for number in range(SLICES)
    ]
    assert frames[3].FrameContentSequence[0].DimensionIndexValues == [1, 4]
    shared = ds.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [1.25, 1.5]
    assert b"SECRETNAME" not in result.archive


def test_what_lies_beside_a_scan_is_left_out_with_a_note() -> None:
    def localizer(ds: Dataset) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def t2(ds: Dataset) -> None:
        ds.SeriesDescription = "t2_tse_tra"

    def ct(ds: Dataset) -> None:
        ds.Modality = "CT"

    beside = [
        *(b"hello", slice_file(0, ct)),
        *contents(series_files(localizer, slices=3, series=5)),
        *contents(series_files(t2, series=6)),
    ]
    result = taken([*beside, *contents(series_files())])
    assert result.archive == taken(contents(series_files())).archive
    assert sorted(error.code for error in result.refusals) == ["not_dicom", "unsupported_modality"]
    assert sorted(v.code for v in result.verdicts) == ["", "localizer", "no_t1_series"]
    assert [code for code, _ in result.notes] == ["other_series"]


@pytest.mark.parametrize(
    ("birth", "scan", "age", "expected"),
    [
        ("19500115", "20220715", "", 72.5),
        ("19500115", "20220715", "010Y", 72.5),
        ("", "20220715", "066Y", 66.0),
        ("", "20220715", "018M", 1.5),
        ("", "20220715", "", None),
        ("", "20220715", "66", None),
        ("19200115", "20220715", "", 90.0),
        ("", "20220715", "095Y", 90.0),
        ("18000101", "20220715", "", None),
        ("20230101", "20220715", "", None),
        ("19501315", "20220715", "070Y", 70.0),
        ("19500115", "", "071Y", 71.0),
    ],
)
def test_age(birth: str, scan: str, age: str, expected: float | None) -> None:
    def change(ds: Dataset) -> None:
        ds.PatientBirthDate, ds.PatientAge = birth, age
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = scan

    result = taken(contents(series_files(change)))
    assert result.person.age_years == expected
    ds = unpacked(result)[0]
    assert ds.get("PatientAge") == (None if expected is None else f"{int(expected):03d}Y")
    codes_of_notes = {code for code, _ in result.notes}
    assert ("age_unknown" in codes_of_notes) == (expected is None)
    assert ("age_capped" in codes_of_notes) == (expected == 90.0)


@pytest.mark.parametrize("implicit", [False, True])
def test_the_canary_is_in_no_output_byte(implicit: bool) -> None:
    preamble = CANARY.encode().ljust(128, b"\0")
    meta = element(0x00020016, b"AE", CANARY.encode())
    files = [
        _with_meta(content, meta)
        for _, content in series_files(planted, implicit=implicit, preamble=preamble)
    ]
    assert all(content.count(CANARY.encode()) >= 35 for content in files)
    result = taken(files)
    for ds in unpacked(result):
        assert ds.PixelData
    assert CANARY.encode() not in result.archive
    assert CANARY not in repr(result)
    assert CANARY.encode("utf-16-le") not in result.archive
    assert b"MRN" not in result.archive
    assert b"20220715" not in result.archive
    assert b"19500115" not in result.archive


def _with_meta(content: bytes, raw: bytes) -> bytes:
    """Add an element to the end of the file meta information (its length is now wrong)."""
    at = content.index(b"\x08\x00\x05\x00")
    return content[:at] + raw + content[at:]


def test_a_name_in_a_comment_of_compressed_pixels_is_blanked() -> None:
    comment = b"\xff\x64" + (4 + len(CANARY)).to_bytes(2, "big") + b"\x00\x01" + CANARY.encode()
    tile = b"\xff\x90\x00\x0a" + bytes(7) + b"\x01\xff\x93codedata\xff\xd9"
    code = b"\xff\x4f\xff\x51\x00\x04\x00\x00" + comment + tile

    def compressed(ds: Dataset) -> None:
        ds.PixelData = pydicom.encaps.encapsulate([code])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True

    files = series_files(compressed, syntax="1.2.840.10008.1.2.4.90")
    assert all(CANARY.encode() in content for _, content in files)
    result = taken(contents(files))
    assert CANARY.encode() not in result.archive
    ds = unpacked(result)[0]
    frame = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
    assert frame.rstrip(b"\0") == code.replace(CANARY.encode(), bytes(len(CANARY)))


def test_binary_where_digits_belong_does_not_get_through() -> None:
    data = [content for _, content in series_files()]
    thickness = element(0x00180050, b"DS", b"1 ")
    assert thickness in data[0]
    for vr, value in ((b"UN", b"SECRETNAME"), (b"LO", b"SECRETNAME"), (b"FD", b"SECRETNAMESECRET")):
        files = [d.replace(thickness, element(0x00180050, vr, value)) for d in data]
        result = taken(files)
        assert result.archive
        assert b"SECRETNA" not in result.archive


def test_more_numbers_than_an_attribute_has_do_not_get_through() -> None:
    def change(ds: Dataset) -> None:
        ds.EchoTime, ds.ImagingFrequency = "3", ["83", "69", "67", "82"]

    ds = unpacked(taken(contents(series_files(change))))[0]
    assert ds.EchoTime == 3
    assert "ImagingFrequency" not in ds


def test_what_is_written_starts_with_an_empty_preamble() -> None:
    result = taken(contents(series_files(preamble=b"II*\0".ljust(128, b"x"))))
    assert all(ds.preamble == bytes(128) for ds in unpacked(result))


def test_packing_is_the_same_everywhere() -> None:
    """Frozen: the digest of an archive is part of a scan's identity."""
    packed = pack([b"one", b"two"])
    assert (
        hashlib.sha256(packed).hexdigest()
        == "510baadfa1c4e47e8836b8a404ded123297c4810abfd5910ec808fc5995f8ca1"
    )


def test_good_series_of_many_kinds_are_not_refused() -> None:
    """False refusals: 60 good series of different place, size, names and encodings."""
    draw = random.Random(7)
    for trial in range(60):
        spacing = draw.choice([0.8, 1.0, 1.2, 0.9375])
        start = draw.uniform(-90, 10)
        name = draw.choice(
            [
                "MPRAGE",
                "T1w_3D_TFE",
                "Sag IR-FSPGR",
                "AX 3D BRAVO",
                "T1",
                "mp_rage iso",
                "sub-01_T1w",
            ]
        )
        files: list[bytes] = []
        slices = draw.randint(20, 30)
        axis = draw.choice([0, 1, 2])
        for number in range(slices):
            ds = slice_dataset(number, description=name)
            place = [-16.5, -16.25, 4.0]
            place[axis] = start + number * spacing
            ds.ImagePositionPatient = [f"{value:.6f}" for value in place]
            ds.ImageOrientationPatient = [
                ["0", "1", "0", "0", "0", "-1"],
                ["1", "0", "0", "0", "0", "-1"],
                ["1", "0", "0", "0", "1", "0"],
            ][axis]
            files.append(file_of(ds, implicit=trial % 2 == 0))
        result = taken(files)
        assert result.acquisition.spacing_mm is not None
        assert result.acquisition.spacing_mm[2] == pytest.approx(spacing, abs=1e-4)
