# SPDX-License-Identifier: Apache-2.0
"""Features are gathered, never filled in, and a prediction is withheld for stated reasons."""

from __future__ import annotations

import math

import pytest

from memoryguard.ml.domain.features import (
    FEATURES,
    OPTIONAL,
    FeatureSet,
    HealthMetrics,
    Volume,
    Withheld,
    gather,
    out_of_range,
    withheld,
)

VOLUMES = {"hippocampus_total": Volume(6800.0), "intracranial": Volume(1_450_000.0)}
RANGES = dict.fromkeys(FEATURES, (0.0, 2e6))


def test_everything_known() -> None:
    found = gather(72.0, "F", VOLUMES, HealthMetrics(16.0, 1, 24.0))
    assert found.values == {
        "age_years": 72.0,
        "male": 0.0,
        "hippocampus_total_mm3": 6800.0,
        "intracranial_mm3": 1_450_000.0,
        "education_years": 16.0,
        "apoe4_count": 1.0,
        "moca": 24.0,
    }
    assert found.missing == {}
    assert tuple(found.values) == FEATURES


def test_zero_is_a_value_not_a_gap() -> None:
    found = gather(72.0, "M", VOLUMES, HealthMetrics(apoe4_count=0))
    assert found.values["apoe4_count"] == 0.0
    assert found.values["male"] == 1.0
    assert set(found.missing) == {"education_years", "moca"}


def test_missing_inputs_carry_their_reason() -> None:
    volumes = {"hippocampus_total": Volume(None, "engine_uncertain")}
    found = gather(None, None, volumes, HealthMetrics())
    assert found.values == {}
    assert found.missing == {
        "age_years": "age_unknown",
        "male": "sex_unknown",
        "hippocampus_total_mm3": "engine_uncertain",
        "intracranial_mm3": "not_measured",
        **dict.fromkeys(OPTIONAL, "not_reported"),
    }


def test_required_inputs_withhold_and_optional_ones_do_not() -> None:
    without_health = gather(72.0, "F", VOLUMES, HealthMetrics())
    assert withheld(without_health, RANGES) == ()
    without_age = gather(None, "F", VOLUMES, HealthMetrics(16.0, 1, 24.0))
    assert withheld(without_age, RANGES) == (Withheld("required_input_missing", "age_years"),)


def test_refused_scans_are_not_predicted() -> None:
    known = gather(72.0, "F", VOLUMES, HealthMetrics())
    assert withheld(known, RANGES, "refused") == (Withheld("quality_refused", None),)
    assert withheld(known, RANGES, "warned") == ()


@pytest.mark.parametrize("value", [-0.1, 2e6 + 1, math.nan, math.inf])
def test_outside_the_range_withholds(value: float) -> None:
    known = gather(72.0, "F", VOLUMES, HealthMetrics())
    odd = FeatureSet(known.values | {"age_years": value}, known.missing)
    assert out_of_range(odd, RANGES) == ("age_years",)
    assert withheld(odd, RANGES) == (Withheld("input_outside_training_range", "age_years"),)
