# SPDX-License-Identifier: Apache-2.0
"""Looks at one file and says whether it is an MR image we can take; refuses it otherwise."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain import tags
from memoryguard.ingest.domain.contrast import Contrast, contrast_of
from memoryguard.ingest.domain.elements import (
    EXPLICIT,
    IMPLICIT,
    Dataset,
    DicomFile,
    ascii_text,
    checked_uid,
    read_file,
    truncated,
)
from memoryguard.ingest.domain.values import day, name_text, number, whole, word, words

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
MAX_PIXEL_BYTES = 512 << 20
MAX_SIDE = 4096
MAX_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Instance:
    """One MR image object that may be part of a scan.

    ``issuer``, ``patient_id`` and ``birth_date`` identify a person: they never leave the intake.
    """

    dataset: Dataset
    transfer_syntax: str
    elements: int
    digest: bytes
    sop_class: str
    sop_uid: str
    series_uid: str
    study_uid: str
    issuer: str
    patient_id: str
    birth_date: date | None
    image_type: tuple[str, ...]
    rows: int
    columns: int
    frames: int
    pixel_bytes: int
    contrast: Contrast

    @property
    def enhanced(self) -> bool:
        """Whether it holds many frames (Enhanced MR)."""
        return self.sop_class == ENHANCED_MR_IMAGE

    @property
    def localizer(self) -> bool:
        """Whether it was made only to plan the others."""
        return "LOCALIZER" in self.image_type


def inspect(data: bytes) -> Instance:
    """Look at one file.

    Raises
    ------
    Rejected
        The codes of `elements.read_file`, and ``unsupported_modality``, ``unsupported_object``,
        ``missing_attribute``, ``bad_pixel_format``, ``burned_in_annotation``.
    """
    file = read_file(data)
    sop_class = _check_object(file)
    _check_burned_in(file.dataset)
    rows, columns, frames, pixel_bytes = _check_pixels(file)
    dataset = file.dataset
    return Instance(
        dataset=dataset,
        transfer_syntax=file.transfer_syntax,
        elements=file.elements,
        digest=hashlib.sha256(data).digest(),
        sop_class=sop_class,
        sop_uid=_uid(dataset, tags.SOP_UID),
        series_uid=_uid(dataset, tags.SERIES_UID),
        study_uid=_uid(dataset, tags.STUDY_UID),
        issuer=name_text(dataset, tags.ISSUER),
        patient_id=name_text(dataset, tags.PATIENT_ID),
        birth_date=day(dataset, tags.BIRTH_DATE),
        image_type=words(dataset, tags.IMAGE_TYPE),
        rows=rows,
        columns=columns,
        frames=frames,
        pixel_bytes=pixel_bytes,
        contrast=contrast_of(dataset),
    )


def _check_object(file: DicomFile) -> str:
    """Only MR images, and the same object within as on the outside."""
    dataset, meta = file.dataset, file.meta
    sop_class = word(dataset, tags.SOP_CLASS) or word(meta, tags.SOP_CLASS_IN_META)
    modality = word(dataset, tags.MODALITY)
    if modality and modality != "MR":
        raise Rejected(
            "unsupported_modality", "this is not an MR image", "send a T1-weighted MRI of the head"
        )
    if sop_class not in (MR_IMAGE, ENHANCED_MR_IMAGE):
        raise Rejected("unsupported_object", "this DICOM object is not an MR image")
    if tags.PIXEL_DATA not in dataset:
        raise truncated()  # they come last: a file cut between two attributes ends without them
    if not modality:
        raise _missing("Modality")
    for tag, twin in (
        (tags.SOP_CLASS, tags.SOP_CLASS_IN_META),
        (tags.SOP_UID, tags.SOP_UID_IN_META),
    ):
        if tag in dataset and twin in meta and ascii_text(dataset[tag]) != ascii_text(meta[twin]):
            raise Rejected("other_object", "the file names another object outside than inside")
    return sop_class


def _check_burned_in(dataset: Dataset) -> None:
    """Text in the picture would carry identity past the de-identification."""
    embedded = any(
        tag >> 24 == 0x60 and tag & 0xFFFF == 0x0102 and any(element.value)
        for tag, element in dataset.items()
    )
    if embedded or word(dataset, tags.BURNED_IN) == "YES":
        raise Rejected(
            "burned_in_annotation", "the picture has text in it", "send the original images"
        )


def _check_pixels(file: DicomFile) -> tuple[int, int, int, int]:
    """Give rows, columns, frames and decoded bytes; check that all pixels are there."""
    dataset = file.dataset
    rows = _count(dataset, tags.ROWS, "Rows", MAX_SIDE)
    columns = _count(dataset, tags.COLUMNS, "Columns", MAX_SIDE)
    frames = 1
    if words(dataset, tags.FRAMES):
        frames = _count(dataset, tags.FRAMES, "NumberOfFrames", MAX_FRAMES)
    bits = _check_pixel_format(dataset)
    expected = rows * columns * frames * bits // 8
    if expected > MAX_PIXEL_BYTES:
        raise Rejected("too_large", "the pixels of an object may have at most 512 MiB")
    pixels = dataset[tags.PIXEL_DATA]
    if file.transfer_syntax in (IMPLICIT, EXPLICIT):
        _check_length(len(pixels.value), expected)
    elif pixels.fragments is None or len(pixels.fragments) < frames + 1:
        raise truncated()  # the first fragment is the table of offsets
    return rows, columns, frames, expected


def _check_length(present: int, expected: int) -> None:
    if present < expected:
        raise truncated()
    if present > expected + expected % 2:
        raise Rejected("bad_pixel_format", "there are more pixels than rows and columns say")


def _check_pixel_format(dataset: Dataset) -> int:
    """Give the bits of one pixel of a grey image."""
    allocated = whole(dataset, tags.BITS_ALLOCATED)
    stored = whole(dataset, tags.BITS_STORED)
    high = whole(dataset, tags.HIGH_BIT)
    if allocated is None or stored is None or high is None:
        raise _missing("BitsAllocated, BitsStored or HighBit")
    grey = word(dataset, tags.PHOTOMETRIC) in ("MONOCHROME1", "MONOCHROME2")
    if not grey or whole(dataset, tags.SAMPLES) != 1:
        raise Rejected("unsupported_object", "this is not a grey image")
    slope = number(dataset, tags.RESCALE_SLOPE)
    sound = allocated in (8, 16, 32) and 1 <= stored <= allocated and high == stored - 1
    if not sound or whole(dataset, tags.SIGNED) not in (0, 1):
        raise Rejected("bad_pixel_format", "the description of the pixels contradicts itself")
    if words(dataset, tags.RESCALE_SLOPE) and (slope is None or math.isclose(slope, 0.0)):
        raise Rejected("bad_pixel_format", "RescaleSlope is not a number other than zero")
    return allocated


def _count(dataset: Dataset, tag: int, keyword: str, largest: int) -> int:
    value = whole(dataset, tag)
    if value is None:
        raise _missing(keyword)
    if value < 1:
        raise Rejected("bad_pixel_format", f"{keyword} is less than one")
    if value > largest:
        raise Rejected("too_large", f"{keyword} is more than {largest}")
    return value


def _uid(dataset: Dataset, tag: int) -> str:
    if tag not in dataset:
        raise _missing("an instance, series or study UID")
    return checked_uid(ascii_text(dataset[tag]))


def _missing(keyword: str) -> Rejected:
    return Rejected("missing_attribute", f"{keyword} is missing")
