# SPDX-License-Identifier: Apache-2.0
"""Small synthetic DICOM files, written by pydicom: an implementation other than ours."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from functools import cache

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ROOT = "1.2.826.0.1.3680043.10.999"
SLICES = 24
SIDE = 32

Change = Callable[[Dataset], object]


@cache
def pixels(number: int, side: int = SIDE) -> bytes:
    """Pixels that differ from slice to slice."""
    return struct.pack(f"<{side * side}H", *((k * 7 + number) % 1000 for k in range(side * side)))


def slice_dataset(number: int, *, series: int = 1, description: str = "t1_mprage_sag") -> Dataset:
    """One slice of a person aged 72, one millimetre thick."""
    ds = Dataset()
    ds.SOPClassUID = MR
    ds.SOPInstanceUID = f"{ROOT}.{series}.{number + 1}"
    ds.SeriesInstanceUID = f"{ROOT}.{series}"
    ds.StudyInstanceUID = f"{ROOT}.9"
    ds.FrameOfReferenceUID = f"{ROOT}.8"
    ds.Modality = "MR"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    ds.PatientName = "Doe^Jane"
    ds.PatientID = "MRN-123"
    ds.PatientBirthDate = "19500115"
    ds.PatientSex = "F"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20220715"
    ds.StudyTime = "101112"
    ds.SeriesDescription = description
    ds.SeriesNumber = series
    ds.InstanceNumber = number + 1
    ds.Manufacturer = "SIEMENS Healthineers"
    ds.ManufacturerModelName = "MAGNETOM Prisma_fit"
    ds.MagneticFieldStrength = "3"
    ds.ScanningSequence = ["GR", "IR"]
    ds.SequenceVariant = ["SK", "SP", "MP"]
    ds.MRAcquisitionType = "3D"
    ds.RepetitionTime, ds.EchoTime, ds.InversionTime = "2300", "2.98", "900"
    ds.FlipAngle = "9"
    ds.SliceThickness = "1"
    ds.ImagePositionPatient = ["-16.5", "-16.25", str(number - 12 + 0.125)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = ["1.25", "1.5"]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = SIDE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels(number)
    ds["PixelData"].VR = "OW"
    return ds


def enhanced_dataset(frames: int = SLICES) -> Dataset:
    """The same person in one multi-frame object."""
    ds = slice_dataset(0)
    ds.SOPClassUID = ENHANCED_MR
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, keyword)
    ds.NumberOfFrames = frames
    ds.PixelData = b"".join(pixels(number) for number in range(frames))
    shared, measures, orientation, timing, echo = (Dataset() for _ in range(5))
    measures.PixelSpacing = ["1.25", "1.5"]
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    timing.RepetitionTime = "2300"
    echo.EffectiveEchoTime = 2.98
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    shared.MREchoSequence = Sequence([echo])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence([_frame(number) for number in range(frames)])
    return ds


def _frame(number: int) -> Dataset:
    frame, place, content = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = ["-16.5", "-16.25", str(number - 12 + 0.125)]
    content.DimensionIndexValues = [1, number + 1]
    content.FrameComments = "SECRETNAME"
    frame.PlanePositionSequence = Sequence([place])
    frame.FrameContentSequence = Sequence([content])
    return frame


def file_of(
    ds: Dataset, *, implicit: bool = False, syntax: str | None = None, preamble: bytes = bytes(128)
) -> bytes:
    """Write a file, even one with wrong values in it."""
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", MR)
        meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", f"{ROOT}.7")
        meta.TransferSyntaxUID = syntax or (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
        file = FileDataset("", ds, file_meta=meta, preamble=preamble)
        file.save_as(target, enforce_file_format=True)
    return target.getvalue()


def changed(ds: Dataset, change: Change | None) -> None:
    """Change a data set; wrong values are meant, so pydicom need not warn of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if change is not None:
            change(ds)


def slice_file(number: int, change: Change | None = None, **how: object) -> bytes:
    """One slice, changed."""
    ds = slice_dataset(number)
    changed(ds, change)
    return file_of(ds, **how)  # type: ignore[arg-type]


def series_files(
    change: Change | None = None, *, slices: int = SLICES, series: int = 1, **how: object
) -> list[tuple[str, bytes]]:
    """A whole series, every slice changed in the same way."""
    found: list[tuple[str, bytes]] = []
    for number in range(slices):
        ds = slice_dataset(number, series=series)
        changed(ds, change)
        found.append((f"IM{number:04d}", file_of(ds, **how)))  # type: ignore[arg-type]
    return found


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One element in explicit VR, with any length written in front of it."""
    size = len(value) if length is None else length
    where = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return where + struct.pack("<HI", 0, size) + value
    return where + struct.pack("<H", size) + value


def with_raw(raw: bytes, number: int = 0) -> bytes:
    """One slice with raw element bytes (of a group before 7FE0) put in front of its pixels."""
    data = slice_file(number)
    at = data.index(b"\xe0\x7f\x10\x00OW")
    return data[:at] + raw + data[at:]


ITEM, ITEM_END, SEQUENCE_END = (
    struct.pack("<HH", 0xFFFE, number) for number in (0xE000, 0xE00D, 0xE0DD)
)
OPEN = b"\xff\xff\xff\xff"
