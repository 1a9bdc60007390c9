# SPDX-License-Identifier: Apache-2.0
"""What a score is made from: measured quantities, the person, and the engine that measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sex = Literal["F", "M"]
Quality = Literal["accepted", "warned", "refused"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measured number, or the reason why there is none.

    Parameters
    ----------
    value
        The measurement in the unit its name states (mm³ for volumes), or None.
    error_sd
        Standard deviation of the measurement error in the same unit, None where unknown.
    reason
        Stable snake_case code, set where `value` is None.
    """

    value: float | None
    error_sd: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who was scanned, as far as a norm needs to know, and on what kind of scanner.

    Parameters
    ----------
    age_years
        Age at the scan; None where unknown.
    sex
        'F' or 'M' as the norms use it; None where unknown or other.
    field_strength_t
        Field strength in tesla as the DICOM header states it; None where unknown.
    manufacturer
        Manufacturer as the DICOM header states it; None where unknown.
    """

    age_years: float | None
    sex: Sex | None
    field_strength_t: float | None = None
    manufacturer: str | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """The segmentation engine behind the volumes: its name chooses the norms."""

    name: str
    version: str
