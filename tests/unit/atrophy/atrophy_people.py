# SPDX-License-Identifier: Apache-2.0
"""A made-up person and volumes, shared by the atrophy tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.result import Score
from memoryguard.atrophy.domain.score import score
from memoryguard.atrophy.packs import load_packs

# The version that the shipped packs know the offset of.
BASELINE = Engine("headframe", "1.3.0")
WOMAN_72 = Person(72.0, "F", 3.0, "SIEMENS")
# Invented, near the middle of the norm for this woman; the errors are of a plausible size.
VOLUMES = {
    "hippocampus_left": Quantity(3700.0, 60.0),
    "hippocampus_right": Quantity(3850.0, 60.0),
    "hippocampus_total": Quantity(7550.0, 100.0),
    "lateral_ventricle_left": Quantity(11800.0, 300.0),
    "lateral_ventricle_right": Quantity(10900.0, 300.0),
    "lateral_ventricles": Quantity(22700.0, 500.0),
    "third_ventricle": Quantity(1320.0, 60.0),
    "total_brain": Quantity(1_050_000.0, 10_000.0),
    "grey_matter": Quantity(600_000.0, 10_000.0),
    "white_matter": Quantity(450_000.0, 10_000.0),
    "intracranial": Quantity(1_420_000.0, 20_000.0),
}


def scored(
    person: Person = WOMAN_72,
    engine: Engine = BASELINE,
    *,
    quality: Any = "accepted",
    **volumes: Any,
) -> Score:
    """Score `VOLUMES` with some of them replaced."""
    return score(VOLUMES | volumes, person, load_packs(), engine, quality)


def aged(years: float | None) -> Person:
    """The same woman at another age."""
    return replace(WOMAN_72, age_years=years)
