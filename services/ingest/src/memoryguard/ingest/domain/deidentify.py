# SPDX-License-Identifier: Apache-2.0
"""De-identification (PS3.15 annex E, Basic Profile), fail-closed.

Nothing is removed; instead a new object is written from a list of what is kept. Everything kept is
a finite number, a word of a closed list, a mapped UID, a shifted date, or the pixels. An attribute
that is not in the list, private or standard, at any depth, is not even looked at.

Options of the profile that are applied: modified dates, patient characteristics (age and sex only),
clean descriptors (closed vocabularies). Faces are not removed here; the object says so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain import equipment, tags
from memoryguard.ingest.domain.codestream import blanked
from memoryguard.ingest.domain.elements import (
    EXPLICIT,
    IMPLICIT,
    Dataset,
    ascii_text,
    checked_uid,
)
from memoryguard.ingest.domain.encoding import Written, file_bytes
from memoryguard.ingest.domain.inspect import Instance
from memoryguard.ingest.domain.person import OLDEST_AGE_YEARS
from memoryguard.ingest.domain.values import day, numbers, word, words

METHOD = b"MemoryGuard keep-list"
METHOD_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
"""Of PS3.16 CID 7050."""


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """How a person is disguised.

    ``new_uid`` maps a UID to another one, always the same for this person.
    """

    subject_id: str
    shift_days: int
    new_uid: Callable[[str], str]


class _How(Enum):
    NUMBERS = auto()
    WORDS = auto()
    UID = auto()
    DATE = auto()
    POINTERS = auto()
    ITEMS = auto()


@dataclass(frozen=True, slots=True)
class _Keep:
    """How one attribute is kept: at most ``count`` values, words out of ``allowed``."""

    how: _How
    count: int = 1
    allowed: frozenset[str] = frozenset()
    inside: Mapping[int, _Keep] = field(default_factory=dict)


def _numbers(count: int, *kept: int) -> dict[int, _Keep]:
    return {tag: _Keep(_How.NUMBERS, count) for tag in kept}


def _words(tag: int, allowed: str, count: int = 1) -> dict[int, _Keep]:
    return {tag: _Keep(_How.WORDS, count, frozenset(allowed.split()))}


def _items(tag: int, *inside: Mapping[int, _Keep], count: int = 1) -> dict[int, _Keep]:
    together = {inner: keep for part in inside for inner, keep in part.items()}
    return {tag: _Keep(_How.ITEMS, count, inside=together)}


_UID = _Keep(_How.UID)
_DATE = _Keep(_How.DATE)
_POINTER = _Keep(_How.POINTERS)
_MANY = 4096

_PLACE = _items(tags.PLANE_POSITION, _numbers(3, tags.IMAGE_POSITION))
_GROUPS: dict[int, _Keep] = {
    **_PLACE,
    **_items(tags.PLANE_ORIENTATION, _numbers(6, tags.IMAGE_ORIENTATION)),
    **_items(
        tags.PIXEL_MEASURES,
        _numbers(2, tags.PIXEL_SPACING),
        _numbers(1, tags.SLICE_THICKNESS, tags.SPACING_BETWEEN_SLICES),
    ),
    **_items(
        tags.VALUE_TRANSFORMATION,
        _numbers(1, tags.RESCALE_INTERCEPT, tags.RESCALE_SLOPE),
        _words(tags.RESCALE_TYPE, "US"),
    ),
    **_items(
        tags.FRAME_CONTENT, _numbers(1, tags.IN_STACK_POSITION), _numbers(8, tags.DIMENSION_INDEX)
    ),
    **_items(tags.TIMING, _numbers(1, tags.REPETITION_TIME, tags.FLIP_ANGLE, tags.ECHO_TRAIN)),
    **_items(tags.ECHO, _numbers(1, tags.EFFECTIVE_ECHO_TIME)),
    **_items(tags.MODIFIER, _numbers(4, tags.INVERSION_TIMES)),
}
_KEPT: dict[int, _Keep] = {
    **_words(
        tags.IMAGE_TYPE,
        "ORIGINAL DERIVED PRIMARY SECONDARY OTHER AXIAL M ND NORM DIS2D DIS3D FM FS FIL MFSPLIT MPR"
        " MAGNITUDE M_FFE FFE M_SE SE M_IR IR VOLUME RESAMPLED NONE UNI",
        count=10,
    ),
    **_words(tags.MODALITY, "MR"),
    **_words(tags.SEX, "F M O"),
    **_words(tags.SCANNING_SEQUENCE, "SE IR GR EP RM", count=5),
    **_words(tags.SEQUENCE_VARIANT, "SK MTC SS TRSS SP MP OSP TOF NONE", count=9),
    **_words(tags.ACQUISITION_TYPE, "2D 3D"),
    **_words(tags.ACQUISITION_CONTRAST, "T1 MIXED UNKNOWN NONE"),
    **_words(tags.PATIENT_POSITION, "HFS HFP HFDR HFDL FFS FFP FFDR FFDL"),
    **_words(tags.PHOTOMETRIC, "MONOCHROME1 MONOCHROME2"),
    **_words(tags.BURNED_IN, "NO"),
    **_words(tags.LOSSY, "00 01"),
    **_words(tags.RESCALE_TYPE, "US"),
    **_numbers(
        1,
        *(tags.SLICE_THICKNESS, tags.REPETITION_TIME, tags.ECHO_TIME, tags.INVERSION_TIME),
        *(tags.AVERAGES, tags.IMAGING_FREQUENCY, tags.ECHO_NUMBER, tags.FIELD_STRENGTH),
        *(tags.SPACING_BETWEEN_SLICES, tags.ECHO_TRAIN, tags.PIXEL_BANDWIDTH, tags.FLIP_ANGLE),
        *(tags.SAMPLES, tags.FRAMES, tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED),
        *(tags.BITS_STORED, tags.HIGH_BIT, tags.SIGNED, tags.RESCALE_INTERCEPT),
        *(tags.RESCALE_SLOPE, tags.WINDOW_CENTER, tags.WINDOW_WIDTH),
    ),
    **_numbers(2, tags.PIXEL_SPACING),
    **_numbers(3, tags.IMAGE_POSITION),
    **_numbers(6, tags.IMAGE_ORIENTATION),
    **dict.fromkeys((tags.SOP_UID, tags.STUDY_UID, tags.SERIES_UID), _UID),
    **dict.fromkeys((tags.FRAME_OF_REFERENCE,), _UID),
    **dict.fromkeys((tags.STUDY_DATE, tags.SERIES_DATE, tags.ACQUISITION_DATE), _DATE),
    **dict.fromkeys((tags.CONTENT_DATE, tags.ACQUISITION_DATETIME), _DATE),
    **_items(tags.SHARED, _GROUPS),
    **_items(tags.PER_FRAME, _GROUPS, count=_MANY),
    **_items(tags.DIMENSION_ORGANIZATIONS, {tags.DIMENSION_ORGANIZATION_UID: _UID}, count=8),
    **_items(
        tags.DIMENSION_INDICES,
        {tags.DIMENSION_ORGANIZATION_UID: _UID},
        {tags.DIMENSION_POINTER: _POINTER, tags.GROUP_POINTER: _POINTER},
        count=8,
    ),
}


def deidentify(
    instance: Instance, pseudonym: Pseudonym, *, series: str, age_years: float | None, number: int
) -> bytes:
    """Write an image anew, without identity.

    Parameters
    ----------
    instance
        What was inspected.
    pseudonym
        How the person is disguised.
    series
        The series' name in the closed vocabulary.
    age_years
        Age at the scan, already capped.
    number
        Place in the series, from 1; the new instance number.

    Returns
    -------
    bytes
        A DICOM file. Compressed pixels stay compressed; others are in Explicit VR Little Endian.

    Raises
    ------
    Rejected
        ``malformed_dicom``, ``bad_pixel_format``.
    """
    stated = _stated(instance, pseudonym, series, age_years, number)
    written = {**stated, **_kept(instance.dataset, _KEPT, pseudonym)}
    written[tags.PIXEL_DATA] = _pixels(instance)
    plain = instance.transfer_syntax in (IMPLICIT, EXPLICIT)
    return file_bytes(
        written,
        sop_class=instance.sop_class,
        sop_uid=pseudonym.new_uid(instance.sop_uid),
        transfer_syntax=EXPLICIT if plain else instance.transfer_syntax,
    )


def _stated(
    instance: Instance, pseudonym: Pseudonym, series: str, age_years: float | None, number: int
) -> dict[int, Written]:
    """Give what is the same whatever the file said, and what is required but empty."""
    dataset = instance.dataset
    maker = equipment.manufacturer(word(dataset, tags.MANUFACTURER))
    model = equipment.model(word(dataset, tags.MODEL))
    texts = {
        tags.SOP_CLASS: instance.sop_class,
        tags.PATIENT_NAME: pseudonym.subject_id,
        tags.PATIENT_ID: pseudonym.subject_id,
        tags.SERIES_DESCRIPTION: series,
        tags.SERIES_NUMBER: "1",
        tags.INSTANCE_NUMBER: str(number),
        tags.MANUFACTURER: maker or "",
        tags.IDENTITY_REMOVED: "YES",
        tags.TIMES_MODIFIED: "MODIFIED",
        tags.VISUAL_FEATURES: "YES",
    }
    if age_years is not None:
        texts[tags.AGE] = f"{int(min(age_years, OLDEST_AGE_YEARS)):03d}Y"
    if model is not None:
        texts[tags.MODEL] = model
    empty = (tags.BIRTH_DATE, tags.STUDY_TIME, tags.ACCESSION, tags.REFERRER, tags.STUDY_ID)
    unless_kept = (tags.SEX, tags.STUDY_DATE)
    texts.update(dict.fromkeys((*empty, *unless_kept, tags.POSITION_REFERENCE), ""))
    required = {tag: Written(tags.VR_OF[tag], text.encode()) for tag, text in texts.items()}
    return {**required, tags.METHOD: Written("LO", METHOD), tags.METHOD_CODES: _codes()}


def _codes() -> Written:
    items = tuple(
        {
            tags.CODE_VALUE: Written("SH", code.encode()),
            tags.CODE_SCHEME: Written("SH", b"DCM"),
            tags.CODE_MEANING: Written("LO", meaning.encode()),
        }
        for code, meaning in METHOD_CODES.items()
    )
    return Written("SQ", items=items)


def _kept(dataset: Dataset, table: Mapping[int, _Keep], pseudonym: Pseudonym) -> dict[int, Written]:
    found = {
        tag: _written(dataset, tag, keep, pseudonym)
        for tag, keep in table.items()
        if tag in dataset
    }
    return {tag: written for tag, written in found.items() if written is not None}


def _written(dataset: Dataset, tag: int, keep: _Keep, pseudonym: Pseudonym) -> Written | None:
    """Write one attribute anew, or None when it is not what it should be."""
    vr = tags.VR_OF[tag]
    match keep.how:
        case _How.NUMBERS:
            kept = _numeric(vr, numbers(dataset, tag), keep.count)
            if kept is None and tag in _SCALING and words(dataset, tag):
                # Left out, it would silently change what the pixels mean.
                raise Rejected("bad_pixel_format", "the scaling of the pixels is not a number")
            return kept
        case _How.WORDS:
            known = [text for text in words(dataset, tag) if text in keep.allowed][: keep.count]
            return Written(vr, "\\".join(known).encode()) if known else None
        case _How.UID:
            old = ascii_text(dataset[tag])
            return Written(vr, pseudonym.new_uid(checked_uid(old)).encode()) if old else None
        case _How.DATE:
            return _shifted(dataset, tag, pseudonym.shift_days)
        case _How.POINTERS:
            pointer = bytes(dataset[tag].value)
            public = len(pointer) == 4 and struct.unpack("<HH", pointer)[0] in (0x0018, 0x0020)
            return Written(vr, pointer) if public else None
        case _How.ITEMS:
            items = dataset[tag].items[: keep.count]
            return Written("SQ", items=tuple(_kept(i, keep.inside, pseudonym) for i in items))


_SCALING = frozenset({tags.RESCALE_INTERCEPT, tags.RESCALE_SLOPE})
_LAYOUTS = {"US": "H", "UL": "I", "FD": "d"}


def _numeric(vr: str, found: tuple[float, ...] | None, count: int) -> Written | None:
    if found is None or len(found) > count:
        return None
    if vr in ("DS", "IS"):
        return Written(vr, "\\".join(decimal_string(value) for value in found).encode())
    layout = _LAYOUTS[vr]
    values = found if layout == "d" else tuple(int(value) for value in found)
    try:
        return Written(vr, struct.pack(f"<{len(values)}{layout}", *values))
    except struct.error:
        return None


def decimal_string(value: float) -> str:
    """Write a number in at most 16 characters (PS3.5 6.2, DS), as exactly as they allow."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    digits = next(n for n in range(17, 0, -1) if len(f"{value:.{n}g}") <= 16 or n == 1)
    exact = repr(value)
    return exact if len(exact) <= 16 else f"{value:.{digits}g}"


def _shifted(dataset: Dataset, tag: int, shift_days: int) -> Written | None:
    """Shift a date; the time of day goes."""
    true = day(dataset, tag)
    if true is None:
        return None
    try:
        moved = true + timedelta(days=shift_days)
    except OverflowError:
        return None
    return Written(tags.VR_OF[tag], f"{moved:%Y%m%d}".encode())


def _pixels(instance: Instance) -> Written:
    pixels = instance.dataset[tags.PIXEL_DATA]
    if pixels.fragments is not None:
        plane = instance.rows * instance.columns
        coded = blanked(
            pixels.fragments,
            instance.frames,
            instance.transfer_syntax,
            pixels=plane,
            bytes_each=instance.pixel_bytes // (plane * instance.frames),
        )
        return Written("OB", fragments=coded)
    return Written("OW", pixels.value[: instance.pixel_bytes])
