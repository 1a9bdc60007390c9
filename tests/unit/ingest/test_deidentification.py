# SPDX-License-Identifier: Apache-2.0
"""Nothing that identifies survives: by another program's table of PS3.15, and by planted names."""

from __future__ import annotations

import io
import json
import struct
import warnings
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from zlib import crc32

import numpy as np
import pydicom
import pytest
from dicomanonymizer.simpledicomanonymizer import initialize_actions_2024b
from ingest_samples import (
    ITEM,
    changed,
    element,
    enhanced_dataset,
    file_of,
    slice_dataset,
)
from PIL import Image as Picture
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.pixels.encoders import JPEGLSLosslessEncoder, RLELosslessEncoder
from pydicom.sequence import Sequence

from memoryguard.ingest.domain.deidentify import METHOD_CODES, Pseudonym, deidentify
from memoryguard.ingest.domain.inspect import inspect
from memoryguard.ingest.parsing import describe, disguise, portray

SECRET = "SECRETNAME"
SECRET_DAY = "19570913"
SECRET_TIME = "131313.131313"
SECRET_NUMBER = 31337
SECRET_UID = f"1.2.840.99.{SECRET_DAY}"
SHIFT_DAYS = 1234
SUBJECT = "a" * 32
PSEUDONYM = Pseudonym(SUBJECT, SHIFT_DAYS, lambda uid: f"2.25.{crc32(uid.encode())}")
MOVED_DAY = f"{date(1957, 9, 13) + timedelta(days=SHIFT_DAYS):%Y%m%d}"

TABLE = {tag for tag in initialize_actions_2024b() if len(tag) == 2}
MASKED = {tag for tag in initialize_actions_2024b() if len(tag) == 4}

KEPT = {
    "PatientSex": "retain patient characteristics (113108)",
    "PatientAge": "retain patient characteristics (113108); to whole years, 90 and above are one",
}
SHIFTED = {"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"}
"""Retain longitudinal temporal information, modified dates (113107)."""
MAPPED = {
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("DimensionOrganizationUID", "MediaStorageSOPInstanceUID"),
}
"""The table replaces them as well; ours are the same for one person, whichever file says them."""
NEEDED = {
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    "PatientSex",
}
"""Without these there is nothing to write; they are set apart."""
STATED = {
    "PatientID": SUBJECT,
    "PatientName": SUBJECT,
    "SeriesDescription": "T1 MPRAGE",
    "DeidentificationMethod": "MemoryGuard keep-list",
}
"""Written anew: the pseudonym, a word of a closed vocabulary (113105), how it was done."""
EMPTY = {
    *("PatientBirthDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("PositionReferenceIndicator",),
}
"""Required by the object, and empty."""


# --- the table as an oracle ------------------------------------------------------------------


def canary(tag: int) -> object:
    """Give a value that identifies, of the right representation."""
    vr = dictionary_VR(tag)
    if vr == "SQ":
        item = Dataset()
        item.PersonName = item.TextValue = SECRET
        item.Date, item.UID = SECRET_DAY, SECRET_UID
        return Sequence([item])
    known = {
        **{"DA": SECRET_DAY, "DT": SECRET_DAY + SECRET_TIME, "TM": SECRET_TIME, "UI": SECRET_UID},
        **{"AS": "057Y", "DS": str(SECRET_NUMBER), "IS": str(SECRET_NUMBER), "US": SECRET_NUMBER},
        **{"OB": SECRET.encode(), "UN": SECRET.encode(), "UR": f"http://{SECRET}"},
    }
    return known.get(vr, SECRET)


def filled(ds: Dataset) -> Dataset:
    """Fill every attribute of the table that an object may have."""
    for group, number in sorted(TABLE):
        tag = group << 16 | number
        if group > 0x0004 and keyword_for_tag(tag) not in NEEDED:
            vr = dictionary_VR(tag)
            ds.add_new(tag, vr, canary(tag))
    return ds


def everywhere(enhanced: bool) -> bytes:
    """One file with the whole table in it: above, within what is kept, and within what is not."""
    ds = enhanced_dataset() if enhanced else slice_dataset(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword in NEEDED - {"PatientSex"}:
            setattr(ds, keyword, f"{SECRET_UID}.{len(keyword)}")
        within = [Dataset(), Dataset(), Dataset()]
        ds.DimensionOrganizationSequence = Sequence([within[2]])
        if enhanced:
            shared = ds.SharedFunctionalGroupsSequence[0]
            frame = ds.PerFrameFunctionalGroupsSequence[3]
            within += [shared, shared.PixelMeasuresSequence[0], frame]
            within += [frame.PlanePositionSequence[0], frame.FrameContentSequence[0]]
        filled(ds)
        for inner in within:
            filled(inner)
        ds.ReferencedImageSequence = Sequence([within[0]])
        block = ds.private_block(0x0019, SECRET, create=True)
        block.add_new(0x10, "SQ", Sequence([within[1]]))
        block.add_new(0x11, "UN", SECRET.encode())
        for group, number, *_ in MASKED:
            ds.add_new(
                group << 16 | number | (0x0100 if group == 0x5000 else 0), "OB", b"SECRETNAME"
            )
        return file_of(ds)


def found(ds: Dataset) -> Iterator[tuple[str, str]]:
    for each in (ds.file_meta, ds) if hasattr(ds, "file_meta") else (ds,):
        for inner in each.iterall():
            if (inner.tag.group, inner.tag.element) in TABLE:
                yield keyword_for_tag(inner.tag), str(inner.value)


@pytest.mark.parametrize("enhanced", [False, True])
def test_nothing_survives_that_the_table_removes(enhanced: bool) -> None:
    data = everywhere(enhanced)
    assert len(TABLE) > 600
    written = deidentify(
        inspect(data), PSEUDONYM, series="T1 MPRAGE", age_years=57.0, number=1
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = (pydicom.dcmread(io.BytesIO(content)) for content in (data, written))
        planted = {keyword for keyword, _ in found(before)}
        survived = list(found(after))
    assert {keyword_for_tag(g << 16 | n) for g, n in TABLE if g > 0x0004} <= planted
    for keyword, value in survived:
        if keyword in KEPT:
            assert value == {"PatientSex": "F", "PatientAge": "057Y"}[keyword]
        elif keyword in SHIFTED:
            assert value == MOVED_DAY, keyword
        elif keyword in MAPPED:
            assert value.startswith("2.25."), keyword
        elif keyword in EMPTY:
            assert value == "", keyword
        else:
            assert value == STATED[keyword]
    for canary in (SECRET, SECRET_DAY, SECRET_TIME[:6], str(SECRET_NUMBER)):
        assert canary.encode() not in written.replace(bytes(after.PixelData), b"")
    assert not any(inner.tag.is_private for inner in after.iterall())
    assert not any(inner.tag.group >> 8 in (0x50, 0x60) for inner in after.iterall())


def test_it_says_what_was_done() -> None:
    written = deidentify(
        inspect(everywhere(False)), PSEUDONYM, series="T1", age_years=None, number=1
    )
    after = pydicom.dcmread(io.BytesIO(written))
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = {item.CodeValue: item.CodeMeaning for item in after.DeidentificationMethodCodeSequence}
    assert codes == METHOD_CODES
    assert after.RecognizableVisualFeatures == "YES"  # a T1 shows a face, and says so
    assert "PatientAge" not in after


# --- names planted in a file -----------------------------------------------------------------

JAPANESE = "山田^太郎"
PLACES: dict[str, Callable[[Dataset, bytes], object]] = {
    "name": lambda ds, name: setattr(ds, "PatientName", name.decode()),
    "other names": lambda ds, name: setattr(ds, "OtherPatientNames", name.decode()),
    "patient comments": lambda ds, name: setattr(ds, "PatientComments", name.decode()),
    "image comments": lambda ds, name: setattr(ds, "ImageComments", name.decode()),
    "description": lambda ds, name: setattr(ds, "SeriesDescription", "t1 mprage " + name.decode()),
    "protocol": lambda ds, name: setattr(ds, "ProtocolName", name.decode()),
    "institution": lambda ds, name: setattr(ds, "InstitutionName", name.decode()),
    "operator": lambda ds, name: setattr(ds, "OperatorsName", name.decode()),
    "device": lambda ds, name: setattr(ds, "DeviceSerialNumber", name.decode()),
    "maker": lambda ds, name: setattr(ds, "Manufacturer", "SIEMENS " + name.decode()),
    "model": lambda ds, name: setattr(ds, "ManufacturerModelName", "Prisma " + name.decode()),
    "software": lambda ds, name: setattr(ds, "SoftwareVersions", name.decode()),
    "a word among words": lambda ds, name: ds.ImageType.append(name.decode()),
    "the kind of scaling": lambda ds, name: setattr(ds, "RescaleType", name.decode()),
    "a number": lambda ds, name: ds.add_new(0x00180086, "LO", name.decode()),
    "a time that is text": lambda ds, name: ds.add_new(0x00080030, "LO", name.decode()),
    "an age that is text": lambda ds, name: ds.add_new(0x00101010, "LO", name.decode()),
    "a date and more": lambda ds, name: ds.add_new(0x0008002A, "LO", "20220715" + name.decode()),
    "unknown": lambda ds, name: ds.add_new(0x00189999, "UN", name),
    "private": lambda ds, name: ds.private_block(0x0019, name.decode(), create=True).add_new(
        1, "LO", name.decode()
    ),
    "overlay": lambda ds, name: ds.add_new(0x60003000, "OB", name),
    "overlay's label": lambda ds, name: ds.add_new(0x60001500, "LO", name.decode()),
    "curve": lambda ds, name: ds.add_new(0x50003000, "OB", name),
    "colour profile": lambda ds, name: ds.add_new(0x00282000, "OB", name),
    "nested": lambda ds, name: setattr(ds, "RequestAttributesSequence", nested(name, 4)),
    "thumbnail": lambda ds, name: setattr(ds, "IconImageSequence", nested(name, 1)),
    "original attributes": lambda ds, name: setattr(
        ds, "OriginalAttributesSequence", nested(name, 2)
    ),
    "padding behind the pixels": lambda ds, name: ds.add_new(0xFFFCFFFC, "OB", name),
    "looked-up grey": lambda ds, name: setattr(ds, "VOILUTSequence", nested(name, 1)),
}


def nested(name: bytes, depth: int) -> Sequence:
    item = Dataset()
    item.PersonName, item.LUTExplanation = name.decode(), name.decode()
    item.add_new(0x00291010, "UN", name)
    if depth:
        item.ReferencedStudySequence = nested(name, depth - 1)
    return Sequence([item])


def planted(syntax: str | None, change: Callable[[Dataset], object] | None = None) -> bytes:
    """One file with a name in every place."""
    ds = slice_dataset(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if change is not None:
            change(ds)
        for number, plant in enumerate(PLACES.values()):
            plant(ds, f"{SECRET}{number:02d}".encode())
        ds.PatientID = ds.IssuerOfPatientID = SECRET
        ds.PatientBirthDate, ds.StudyDate, ds.ContentDate = SECRET_DAY, "20220715", SECRET_DAY
        ds.StudyInstanceUID = ds.SeriesInstanceUID = SECRET_UID
        ds.ContentTime = SECRET_TIME
        data = file_of(ds, syntax=syntax, preamble=SECRET.encode().ljust(128, b"\0"))
    meta = element(0x00020016, b"AE", SECRET.encode()) + element(0x00020102, b"OB", b"SECRETNAME")
    at = data.index(b"\x02\0\x10\0UI")
    return data[:at] + meta + data[at:]


SEGMENT = SECRET.encode()


def jpeg_2000(ds: Dataset) -> None:
    """JPEG 2000 with comments in both kinds of header, and something behind its end."""
    stream = io.BytesIO()
    picture = Picture.fromarray(np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns))
    picture.save(stream, format="JPEG2000", irreversible=False, no_jp2=True)
    code = stream.getvalue()
    comment = b"\xff\x64" + struct.pack(">HH", 4 + len(SEGMENT), 1) + SEGMENT
    tile, tile_data = code.index(b"\xff\x90"), code.index(b"\xff\x93")
    length = int.from_bytes(code[tile + 6 : tile + 10], "big") + len(comment)
    head = code[: tile + 6] + struct.pack(">I", length) + code[tile + 10 : tile_data]
    head = head[:tile] + comment + head[tile:]
    fragment(ds, head + comment + code[tile_data:] + SEGMENT)


def jpeg_ls(ds: Dataset) -> None:
    """JPEG-LS with a comment, application data, and something behind its end."""
    code = next(iter(JPEGLSLosslessEncoder.iter_encode(ds.PixelData, **described(ds))))
    told = b"".join(
        b"\xff" + kind + struct.pack(">H", 2 + len(SEGMENT)) + SEGMENT
        for kind in (b"\xfe", b"\xe8")
    )
    fragment(ds, code[:2] + told + code[2:] + SEGMENT)


def run_lengths(ds: Dataset) -> None:
    """RLE with something in its header, between its segments, behind its pixels and its end."""
    code = next(iter(RLELosslessEncoder.iter_encode(ds.PixelData, **described(ds))))
    first, second = struct.unpack_from("<2I", code, 4)
    gap = len(SEGMENT)
    room = SEGMENT[:48].ljust(52, b"\0")  # places of segments that there are not
    head = struct.pack("<3I", 2, first + gap, second + 3 * gap) + room
    longer = bytes([127]) + SEGMENT * 5  # more pixels than there are
    fragment(
        ds, head + SEGMENT + code[first:second] + SEGMENT * 2 + code[second:] + longer + SEGMENT
    )


def described(ds: Dataset) -> dict[str, object]:
    return {
        **{"rows": ds.Rows, "columns": ds.Columns, "samples_per_pixel": 1, "number_of_frames": 1},
        **{"bits_allocated": 16, "bits_stored": 12, "pixel_representation": 0},
        "photometric_interpretation": "MONOCHROME2",
    }


def fragment(ds: Dataset, code: bytes) -> None:
    table = SEGMENT + b"\0\0"  # where the table of offsets stands
    code += bytes(len(code) % 2)
    ds.PixelData = b"".join(ITEM + struct.pack("<I", len(part)) + part for part in (table, code))
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True


@pytest.mark.parametrize(
    ("syntax", "change"),
    [
        ("1.2.840.10008.1.2", None),
        ("1.2.840.10008.1.2.1", None),
        ("1.2.840.10008.1.2.5", run_lengths),
        ("1.2.840.10008.1.2.4.80", jpeg_ls),
        ("1.2.840.10008.1.2.4.90", jpeg_2000),
    ],
    ids=["implicit", "explicit", "RLE", "JPEG-LS", "JPEG 2000"],
)
def test_a_planted_name_is_in_no_byte(
    syntax: str, change: Callable[[Dataset], object] | None
) -> None:
    data = planted(syntax, change)
    assert data.count(SECRET.encode()) > len(PLACES) + 5
    told, _ = describe([data])
    kept, _ = portray([data], spacing_mm=[1, 1, 1], series="T1", shift_days=SHIFT_DAYS)
    _, (written,) = disguise(
        [data],
        numbers=[1],
        subject_id=SUBJECT,
        uid_key="5a" * 32,
        shift_days=SHIFT_DAYS,
        series="T1",
        age_years=64.8,
    )
    identity = {"study_uid", "series_uid", "sop_uid", "issuer", "patient_id", "birth_date"}
    assert "header" in told[0]
    shown = [
        json.dumps({name: value for name, value in told[0].items() if name not in identity}),
        json.dumps({name: value for name, value in kept.items() if name != "identity"}),
    ]
    for secret in (SECRET, SECRET[:6], SECRET_DAY, SECRET_TIME, "1.2.840.99", "1957-09-13"):
        assert secret.encode() not in written
        assert secret not in "".join(shown)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = (pydicom.dcmread(io.BytesIO(content)) for content in (data, written))
        assert (before.pixel_array == after.pixel_array).all()


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("\\ISO 2022 IR 87", "iso2022_jp"), ("ISO_IR 192", "utf-8"), ("GB18030", "gb18030")],
)
def test_names_in_other_characters(charset: str, encoding: str) -> None:
    ds = slice_dataset(0)
    changed(ds, lambda ds: setattr(ds, "PatientID", "MRN"))
    ds.PatientName, ds.PatientComments = "NAME", "COMMENTS"
    name = JAPANESE.encode(encoding)
    name += b" " * (len(name) % 2)
    data = file_of(ds)
    for tag, vr, old in ((0x00100010, b"PN", b"NAME"), (0x00104000, b"LT", b"COMMENTS")):
        data = data.replace(element(tag, vr, old), element(tag, vr, name))
    at = data.index(b"\x08\0\x08\0CS")
    text = charset.encode() + b" " * (len(charset) % 2)
    data = data[:at] + element(0x00080005, b"CS", text) + data[at:]
    assert data.count(name) == 2
    written = deidentify(inspect(data), PSEUDONYM, series="T1", age_years=70.0, number=1)
    told = json.dumps([describe([data]), written.decode("latin-1")], ensure_ascii=False)
    for part in JAPANESE.split("^"):
        assert part.encode(encoding) not in written
        assert part not in told
        assert part.encode("utf-8").decode("latin-1") not in told
