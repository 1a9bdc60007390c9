# SPDX-License-Identifier: Apache-2.0
"""What all DICOM objects that are made here have in common: their maker, their UIDs, their day.

The same facts give the same bytes: UIDs are derived, and what would be the time of writing is the
day of the scan.
"""

from __future__ import annotations

import io
import json
import uuid
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from memoryguard.common.contracts.event import derived_id
from memoryguard.common.contracts.parts import Engine
from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.codes import Code

MAKER: Final = "MemoryGuard Imaging"
RESEARCH: Final = "Research use, not a diagnosis"
NO_DATE: Final = "19000101"
"""Where the scan tells no day; the attribute may not be empty."""
_KEPT: Final = (
    *("PatientAge", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A DICOM object: its file, its header as DICOM JSON, and what finds it.

    ``found_by`` are fields of `contracts.parts.DicomObject`.
    """

    content: bytes
    header: bytes
    found_by: dict[str, Any]


def uid(*names: str) -> str:
    """Give a UID below 2.25 (PS3.5 B.2): the same for the same names."""
    return f"2.25.{uuid.UUID(derived_id(*names)).int}"


def equipment(engine: Engine) -> dict[str, Any]:
    """Give what highdicom wants to know of the maker (PS3.3 C.7.5)."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": engine.name,
        "software_versions": engine.version,
        "device_serial_number": engine.weights_sha256[:16],
    }


def concept(code: Code) -> Any:
    """Give a code as highdicom takes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)


@contextmanager
def understood(refusal: Rejected) -> Generator[None]:
    """Turn what highdicom cannot take into a refusal; keep its warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        raise refusal from error


def settle(made: Any, source: Any) -> None:
    """Put what depends on the scan alone where highdicom puts the clock."""
    for name in _KEPT:
        if name in source:
            made[name] = source[name]
    day = source.get("StudyDate") or NO_DATE
    for name in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(made, name, day)
    for name in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(made, name, "000000")
    for item in made.get("ContributingEquipmentSequence") or ():
        item.ContributionDateTime = f"{day}000000"


def written(made: Any) -> Document:
    """Write an object; its pixels, if it has any, are not in the header."""
    content = io.BytesIO()
    made.save_as(content)
    made.pop("PixelData", None)
    header = json.dumps(made.to_json_dict(), default=str).encode()  # dates are objects
    return Document(content.getvalue(), header, found_by(made))


def kept(content: bytes, header: bytes) -> Document:
    """Give an object again that was written before."""
    from pydicom import Dataset

    said = json.loads(header)
    plain = {tag: value for tag, value in said.items() if value["vr"] != "SQ"}
    return Document(content, header, found_by(Dataset.from_json(plain)))


def found_by(made: Any) -> dict[str, Any]:
    """Tell what finds an object."""
    pixels = {
        "rows": made.get("Rows"),
        "columns": made.get("Columns"),
        "frames": made.get("NumberOfFrames"),
        "bits_allocated": made.get("BitsAllocated"),
    }
    return {
        "sop_class_uid": str(made.SOPClassUID),
        "study_uid": str(made.StudyInstanceUID),
        "series_uid": str(made.SeriesInstanceUID),
        "instance_uid": str(made.SOPInstanceUID),
        "study_date": _day(made),
        "sex": made.PatientSex or None,
        "modality": str(made.Modality),
        "series_number": int(made.SeriesNumber),
        "series_description": str(made.SeriesDescription),
        "instance_number": int(made.InstanceNumber),
        **{name: None if value is None else int(value) for name, value in pixels.items()},
    }


def _day(made: Any) -> date | None:
    try:
        return datetime.strptime(str(made.StudyDate), "%Y%m%d").date()  # noqa: DTZ007  # a day
    except ValueError:
        return None
