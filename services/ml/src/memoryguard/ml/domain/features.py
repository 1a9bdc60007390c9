# SPDX-License-Identifier: Apache-2.0
"""The risk model's inputs, gathered from a scan and the health metrics, with what is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

REQUIRED = ("age_years", "male", "hippocampus_total_mm3", "intracranial_mm3")
OPTIONAL = ("education_years", "apoe4_count", "moca")
FEATURES = REQUIRED + OPTIONAL


@dataclass(frozen=True, slots=True)
class Volume:
    """A measured volume in mm³, or the reason why there is none."""

    value_mm3: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HealthMetrics:
    """What was reported about a person beside the scan; None where it was not.

    Parameters
    ----------
    education_years
        Years of education.
    apoe4_count
        Number of APOE ε4 alleles: 0, 1 or 2.
    moca
        Montreal Cognitive Assessment, 0 to 30 points.
    """

    education_years: float | None = None
    apoe4_count: int | None = None
    moca: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Known features by name, and the reason for each of `FEATURES` that is not known."""

    values: dict[str, float]
    missing: dict[str, str]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why there is no prediction: a code and the feature it is about (None: the scan itself)."""

    code: str
    feature: str | None


def gather(
    age_years: float | None,
    sex: Literal["F", "M"] | None,
    volumes: Mapping[str, Volume],
    health: HealthMetrics,
) -> FeatureSet:
    """Build the features of one person; nothing is filled in.

    Parameters
    ----------
    age_years
        Age at the scan.
    sex
        'F' or 'M'; the groups the model knows were recorded so.
    volumes
        Volumes by region; ``hippocampus_total`` and ``intracranial`` are used.
    health
        The latest health metrics.
    """
    absent = Volume(None, "not_measured")
    found: dict[str, tuple[float | None, str]] = {
        "age_years": (age_years, "age_unknown"),
        "male": (None if sex is None else float(sex == "M"), "sex_unknown"),
        "education_years": (health.education_years, "not_reported"),
        "apoe4_count": (health.apoe4_count, "not_reported"),
        "moca": (health.moca, "not_reported"),
    }
    for region in ("hippocampus_total", "intracranial"):
        volume = volumes.get(region, absent)
        found[f"{region}_mm3"] = (volume.value_mm3, volume.reason or "not_measured")
    return FeatureSet(
        values={name: float(v) for name in FEATURES if (v := found[name][0]) is not None},
        missing={name: found[name][1] for name in FEATURES if found[name][0] is None},
    )


def withheld(
    features: FeatureSet,
    ranges: Mapping[str, tuple[float, float]],
    quality: Literal["accepted", "warned", "refused"] = "accepted",
) -> tuple[Withheld, ...]:
    """Every reason against predicting, empty where a prediction may be made.

    Parameters
    ----------
    features
        What is known.
    ranges
        Lowest and highest value per feature that the model was fitted for.
    quality
        Verdict on the scan.
    """
    reasons = [Withheld("quality_refused", None)] if quality == "refused" else []
    reasons += [
        Withheld("required_input_missing", name) for name in REQUIRED if name in features.missing
    ]
    return (
        *reasons,
        *(Withheld("input_outside_training_range", n) for n in out_of_range(features, ranges)),
    )


def out_of_range(
    features: FeatureSet, ranges: Mapping[str, tuple[float, float]]
) -> tuple[str, ...]:
    """Names of the features that lie outside their range (or are not a number at all)."""
    return tuple(
        name
        for name, value in features.values.items()
        if not (math.isfinite(value) and ranges[name][0] <= value <= ranges[name][1])
    )
