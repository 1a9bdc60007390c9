# SPDX-License-Identifier: Apache-2.0
"""What a DICOM header says about the person and the scanner, for the command line.

Norms need age, sex and scanner. What is not stated stays None; a NIfTI states nothing.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

_AGE = re.compile(r"^(\d{3})Y$")


@dataclass(frozen=True)
class Header:
    """Age and sex of the person, maker and field strength of the scanner; None where not stated."""

    age_years: float | None = None
    sex: Literal["F", "M"] | None = None
    manufacturer: str | None = None
    field_strength_t: float | None = None


def read_header(path: Path) -> Header:
    """Read the header of the first DICOM file in a folder, a zip or a file."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        content = _first_dicom(path)
        if content is None:
            return Header()
        dataset: Any = dcmread(io.BytesIO(content), stop_before_pixels=True)
        return Header(
            age_years=_age_years(dataset),
            sex=dataset.get("PatientSex") if dataset.get("PatientSex") in ("F", "M") else None,
            manufacturer=str(dataset.get("Manufacturer") or "") or None,
            field_strength_t=_positive(dataset.get("MagneticFieldStrength")),
        )
    except (InvalidDicomError, zipfile.BadZipFile, OSError, EOFError, ValueError, TypeError):
        return Header()


def _first_dicom(path: Path) -> bytes | None:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return next((p.read_bytes() for p in files if _is_dicom(p)), None)
    if not path.is_file():
        return None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            members = (packed.read(m) for m in packed.infolist() if not m.is_dir())
            return next((content for content in members if content[128:132] == b"DICM"), None)
    return path.read_bytes() if _is_dicom(path) else None


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _age_years(dataset: Any) -> float | None:
    """Return the age at the scan, from the dates where both are stated, or in whole years."""
    born, on = (_date(dataset.get(k)) for k in ("PatientBirthDate", "StudyDate"))
    if born and on and born <= on:
        return round((on - born).days / 365.25, 2)
    stated = _AGE.match(str(dataset.get("PatientAge") or ""))
    return float(stated[1]) if stated else None


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _positive(value: Any) -> float | None:
    number = float(value) if value not in (None, "") else 0.0
    return number if number > 0 else None
