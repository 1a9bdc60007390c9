# SPDX-License-Identifier: Apache-2.0
"""Small synthetic DICOM files, written by pydicom: an implementation other than ours."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.events import Acquisition, Person
from memoryguard.common.errors import Rejected
from memoryguard.common.security.keyring import VaultKey
from memoryguard.ingest.archive import pack
from memoryguard.ingest.domain.header import Header
from memoryguard.ingest.domain.series import Verdict, judge
from memoryguard.ingest.parsing import LEFT_OUT, describe, disguise, portray

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


CANARY = "SECRETNAME"


def planted(ds: Dataset) -> None:
    """Plant a name wherever somebody might."""
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = f"{CANARY}^A", CANARY, CANARY
    ds.OtherPatientIDs = ds.PatientComments = ds.PatientAddress = CANARY
    ds.ReferringPhysicianName = ds.OperatorsName = CANARY
    ds.InstitutionName = ds.StationName = ds.AccessionNumber = ds.StudyID = CANARY
    ds.StudyDescription = ds.ImageComments = ds.RequestedProcedureDescription = CANARY
    ds.SeriesDescription, ds.ProtocolName = f"t1_mprage {CANARY}", CANARY
    ds.Manufacturer, ds.ManufacturerModelName = f"SIEMENS {CANARY}", f"Prisma {CANARY}"
    ds.SoftwareVersions = ds.DeviceSerialNumber = ds.SequenceName = CANARY
    ds.ImageType = ["ORIGINAL", "PRIMARY", CANARY]
    ds.ScanOptions = CANARY
    ds.ScanningSequence, ds.SequenceVariant = ["GR", CANARY], CANARY
    ds.PatientPosition = CANARY
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.AcquisitionTime = CANARY
    ds.RescaleType = CANARY
    nested, deeper = Dataset(), Dataset()
    deeper.PersonName = deeper.TextValue = CANARY
    nested.ContentSequence = Sequence([deeper])
    ds.RequestAttributesSequence = Sequence([nested])
    ds.OriginalAttributesSequence = Sequence([nested])
    block = ds.private_block(0x0019, f"{CANARY} CREATOR", create=True)
    block.add_new(0x01, "LO", CANARY)
    block.add_new(0x02, "SQ", [deeper])
    block.add_new(0x03, "UN", CANARY.encode())
    ds.add_new(0x00091001, "UN", CANARY.encode())
    ds.add_new(0x60000010, "US", 8)
    ds.add_new(0x60000022, "LO", CANARY)
    ds.add_new(0x60003000, "OW", CANARY.encode())
    ds.add_new(0x50003000, "OW", CANARY.encode())
    ds.add_new(0x00282000, "OB", CANARY.encode())
    ds.add_new(0xFFFCFFFC, "OB", CANARY.encode())


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


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return target.getvalue()


VAULT = VaultKey(bytes(range(32)))


@dataclass(frozen=True)
class Taken:
    """What became of files, and of the first scan among them."""

    refusals: list[Rejected]
    verdicts: list[Verdict]
    subject_id: str
    archive: bytes = b""
    instances: int = 0
    person: Person = field(default_factory=Person)
    acquisition: Acquisition = field(default_factory=Acquisition)
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def scan_id(self) -> str:
        return derived_id("scan", self.subject_id, hashlib.sha256(self.archive).hexdigest())


def taken(files: Iterable[bytes], vault: VaultKey = VAULT, subject_id: str | None = None) -> Taken:
    """The pure parts of the way in, one after the other, without storing anything."""
    contents = list(files)
    refusals: list[Rejected] = []
    study: dict[str, list[tuple[Header, bytes]]] = defaultdict(list)
    for found, content in zip(describe(contents)[0], contents, strict=True):
        if "refused" in found:
            refusals.append(Rejected(*found["refused"]))
            continue
        owner = subject_id or vault.subject_id(found["issuer"], found["patient_id"])
        person = str([found[name] for name in ("issuer", "patient_id", "birth_date")])
        header = replace(
            Header.from_document(found["header"] | {"study": "", "person": ""}),
            study=found["study_uid"],
            person=person,
        )
        study[found["series_uid"]].append((header, content))
    verdicts = judge({key: [header for header, _ in images] for key, images in study.items()})
    result = Taken(refusals, list(verdicts.values()), subject_id=subject_id or "")
    for key, verdict in verdicts.items():
        if verdict.stack is not None:
            return _scan(result, verdict, study[key], vault, owner)
    return result


def _scan(
    result: Taken, verdict: Verdict, images: list[tuple[Header, bytes]], vault: VaultKey, owner: str
) -> Taken:
    assert verdict.stack is not None
    kept = [content for header, content in images if not header.localizer]
    ordered = kept if len(kept) == 1 else [kept[place] for place in verdict.stack.order]
    shift_days = vault.date_shift_days(owner)
    portrait, _ = portray(
        ordered[:1], spacing_mm=verdict.stack.spacing_mm, series=verdict.word, shift_days=shift_days
    )
    _, disguised = disguise(
        ordered,
        numbers=list(range(1, len(ordered) + 1)),
        subject_id=owner,
        uid_key=vault.uid_key(owner).hex(),
        shift_days=shift_days,
        series=verdict.word,
        age_years=portrait["person"]["age_years"],
    )
    return replace(
        result,
        subject_id=owner,
        archive=pack(disguised),
        instances=len(ordered),
        person=Person(**portrait["person"]),
        acquisition=Acquisition(**portrait["acquisition"]),
        notes=(*verdict.notes, *map(tuple, portrait["notes"])),
    )


def refusal(files: Iterable[bytes]) -> str:
    """The code for which files are not a scan."""
    result = taken(files)
    assert not result.archive, "it is a scan"
    telling = [error.code for error in result.refusals if error.code not in LEFT_OUT]
    verdicts = sorted(result.verdicts, key=lambda verdict: verdict.state == "left_out")
    others = [error.code for error in result.refusals]
    return next(iter([*telling, *(verdict.code for verdict in verdicts), *others]))
