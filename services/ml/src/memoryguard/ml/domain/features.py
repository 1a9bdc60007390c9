# SPDX-License-Identifier: Apache-2.0
"""What a model may ask of a scan and a person: gathered once, with what is missing and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Group: TypeAlias = Literal["imaging", "clinical"]

CLINICAL = (
    "age_years",
    "male",
    "education_years",
    "apoe4_alleles",
    "moca",
    "mmse",
    "systolic_mmhg",
    "diastolic_mmhg",
)
Z = {
    "hippocampus_z": "hippocampus_total",
    "hippocampus_left_z": "hippocampus_left",
    "hippocampus_right_z": "hippocampus_right",
    "ventricles_z": "lateral_ventricles",
    "third_ventricle_z": "third_ventricle",
    "brain_z": "total_brain",
    "cortex_z": "cortical_grey_matter",
    "white_matter_z": "cerebral_white_matter",
}
"""Distance from healthy people of that age, sex and head size, by region."""
PERCENT_OF_HEAD = {
    "hippocampus_percent_of_head": "hippocampus_total",
    "ventricles_percent_of_head": "lateral_ventricles",
    "brain_percent_of_head": "total_brain",
    "cortex_percent_of_head": "cortical_grey_matter",
}
"""Volumes in percent of the intracranial volume."""
THICKNESS_MM = {
    "cortex_thickness_mm": "cortex_mean",
    "cortex_left_thickness_mm": "cortex_left",
    "cortex_right_thickness_mm": "cortex_right",
}
RATIOS = {name: name for name in ("hippocampus_to_brain", "ventricles_to_brain", "grey_to_white")}
ASYMMETRY = {
    "hippocampus_asymmetry_percent": "hippocampus",
    "ventricles_asymmetry_percent": "lateral_ventricle",
}
PERCENT_PER_YEAR = {
    "hippocampus_percent_per_year": "hippocampus_total",
    "ventricles_percent_per_year": "lateral_ventricles",
    "brain_percent_per_year": "total_brain",
}
FEATURES = (
    *CLINICAL,
    *Z,
    *PERCENT_OF_HEAD,
    *THICKNESS_MM,
    *RATIOS,
    *ASYMMETRY,
    *PERCENT_PER_YEAR,
)
"""Everything that is gathered, and that a model may name as an input."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured value with its error, or the reason why there is none.

    `error_sd` is one SD, None where nothing is known of it; `partly` says that it leaves out a
    part that is not known.
    """

    value: float | None
    error_sd: float | None = None
    reason: str | None = None
    partly: bool = False


ABSENT = Measure(None, reason="not_measured")


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan says of a person, by region or by name."""

    age_years: float | None = None
    sex: Literal["F", "M"] | None = None
    z: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    volumes_mm3: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    thickness_mm: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    ratios: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    asymmetry_percent: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    percent_per_year: Mapping[str, Measure] = field(default_factory=dict[str, Measure])


def group(name: str) -> Group:
    """Say whether a feature comes from a scan, or from what is known of the person beside it."""
    return "clinical" if name in CLINICAL else "imaging"


def gather(scan: Scan, health: Mapping[str, float]) -> dict[str, Measure]:
    """Build every feature of `FEATURES`; nothing is filled in.

    Parameters
    ----------
    scan
        Age and sex, and what was measured.
    health
        Latest health metrics by name; what is not known is absent.
    """
    sex = None if scan.sex is None else float(scan.sex == "M")
    found = {
        name: Measure(health[name]) if name in health else Measure(None, reason="not_reported")
        for name in CLINICAL
    }
    found["age_years"] = Measure(scan.age_years, reason="age_unknown")
    found["male"] = Measure(sex, reason="sex_unknown")
    for names, values in (
        (Z, scan.z),
        (THICKNESS_MM, scan.thickness_mm),
        (RATIOS, scan.ratios),
        (ASYMMETRY, scan.asymmetry_percent),
        (PERCENT_PER_YEAR, scan.percent_per_year),
    ):
        found |= {name: values.get(key, ABSENT) for name, key in names.items()}
    head = scan.volumes_mm3.get("intracranial", ABSENT)
    for name, region in PERCENT_OF_HEAD.items():
        found[name] = percent_of_head(scan.volumes_mm3.get(region, ABSENT), head)
    return {name: _sound(found[name]) for name in FEATURES}


def percent_of_head(volume: Measure, head: Measure) -> Measure:
    """Give 100·V/ICV with its error; relative errors of both taken as independent."""
    for part in (volume, head):
        if part.value is None:
            return Measure(None, reason=part.reason or "not_measured")
        if not (math.isfinite(part.value) and part.value > 0.0):
            return Measure(None, reason="volume_not_positive")
    value = 100.0 * (volume.value or 0.0) / (head.value or 1.0)
    if volume.error_sd is None or head.error_sd is None:
        return Measure(value)
    relative = math.hypot(volume.error_sd / (volume.value or 1), head.error_sd / (head.value or 1))
    return Measure(value, value * relative)


def _sound(measure: Measure) -> Measure:
    """A value carries no reason; what is no number is no value."""
    if measure.value is None:
        return Measure(None, reason=measure.reason or "not_measured")
    if not math.isfinite(measure.value):
        return Measure(None, reason="not_a_number")
    return Measure(measure.value, measure.error_sd, None, measure.partly)
