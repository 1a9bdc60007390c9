# SPDX-License-Identifier: Apache-2.0
"""Features are gathered, never filled in; a model picks its own, or says nothing and why."""

from __future__ import annotations

import math

import pytest

from memoryguard.ml.domain.abstention import Input, Withheld, known, withheld
from memoryguard.ml.domain.features import (
    CLINICAL,
    FEATURES,
    Measure,
    Scan,
    gather,
    group,
    percent_of_head,
)

SCAN = Scan(
    age_years=72.0,
    sex="F",
    z={"hippocampus_total": Measure(-1.5, 0.4), "total_brain": Measure(None, reason="no_norm")},
    volumes_mm3={
        "hippocampus_total": Measure(6000.0, 60.0),
        "intracranial": Measure(1_500_000.0, 15_000.0),
    },
    thickness_mm={"cortex_mean": Measure(2.4, 0.05)},
    ratios={"hippocampus_to_brain": Measure(0.006)},
    asymmetry_percent={"hippocampus": Measure(-3.0, 2.0)},
    percent_per_year={"hippocampus_total": Measure(-2.0, 1.0)},
)
INPUTS = (
    Input("age_years", 40.0, 100.0, required=True),
    Input("hippocampus_z", -6.0, 5.0),
    Input("moca", 10.0, 30.0),
    Input("hippocampus_percent_per_year", -12.0, 6.0, largest_error_sd=2.0),
)


def test_everything_is_gathered_with_a_value_or_a_reason() -> None:
    found = gather(SCAN, {"moca": 24.0, "apoe4_alleles": 0.0})
    assert tuple(found) == FEATURES
    assert all((each.value is None) != (each.reason is None) for each in found.values())
    assert found["hippocampus_z"] == Measure(-1.5, 0.4)
    assert found["hippocampus_percent_of_head"].value == pytest.approx(0.4)
    assert found["cortex_thickness_mm"].value == 2.4
    assert found["hippocampus_asymmetry_percent"].value == -3.0
    assert found["hippocampus_percent_per_year"].value == -2.0


def test_zero_is_a_value_and_a_gap_is_no_zero() -> None:
    found = gather(SCAN, {"apoe4_alleles": 0.0})
    assert found["apoe4_alleles"].value == 0.0
    assert found["male"].value == 0.0
    assert found["moca"] == Measure(None, reason="not_reported")
    assert found["brain_z"] == Measure(None, reason="no_norm")
    assert found["ventricles_z"] == Measure(None, reason="not_measured")
    nobody = gather(Scan(), {})
    assert nobody["male"] == Measure(None, reason="sex_unknown")
    assert nobody["age_years"] == Measure(None, reason="age_unknown")
    assert all(each.value is None for each in nobody.values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_missing(value: float) -> None:
    assert gather(SCAN, {"moca": value})["moca"] == Measure(None, reason="not_a_number")


def test_a_share_of_the_head_carries_both_errors() -> None:
    found = percent_of_head(Measure(6000.0, 60.0), Measure(1_500_000.0, 15_000.0))
    assert found.value == pytest.approx(0.4)
    assert found.error_sd == pytest.approx(0.4 * math.hypot(0.01, 0.01))
    assert percent_of_head(Measure(1.0), Measure(0.0)).reason == "volume_not_positive"
    assert percent_of_head(Measure(None, reason="cut_off"), Measure(1.0)).reason == "cut_off"


def test_every_feature_has_its_group() -> None:
    assert {group(name) for name in FEATURES} == {"imaging", "clinical"}
    assert [name for name in FEATURES if group(name) == "clinical"] == list(CLINICAL)


def test_a_model_is_given_what_is_known_and_told_what_is_not() -> None:
    given = known(gather(SCAN, {}), INPUTS)
    assert given.values == {
        "age_years": 72.0,
        "hippocampus_z": -1.5,
        "hippocampus_percent_per_year": -2.0,
    }
    assert given.missing == {"moca": "not_reported"}
    assert given.errors == {"hippocampus_z": 0.4, "hippocampus_percent_per_year": 1.0}
    assert given.partly == ()
    assert withheld(given, INPUTS, ("hippocampus_z",)) == ()


@pytest.mark.parametrize("measure", [Measure(-1.5), Measure(-1.5, 0.3, partly=True)])
def test_an_error_that_is_not_wholly_known_is_named(measure: Measure) -> None:
    given = known(gather(SCAN, {"moca": 24.0}) | {"hippocampus_z": measure}, INPUTS)
    assert given.partly == ("hippocampus_z",)


@pytest.mark.parametrize(("error", "why"), [(2.1, "too_uncertain"), (None, "error_unknown")])
def test_a_rate_that_is_mostly_noise_counts_as_missing(error: float | None, why: str) -> None:
    features = gather(SCAN, {}) | {"hippocampus_percent_per_year": Measure(-40.0, error)}
    given = known(features, INPUTS)
    assert given.missing["hippocampus_percent_per_year"] == why
    assert withheld(given, INPUTS, ()) == ()


def test_every_reason_to_say_nothing_is_given() -> None:
    far = known(gather(SCAN, {"moca": 31.0}), INPUTS)
    assert withheld(far, INPUTS, ()) == (Withheld("input_outside_training_range", "moca"),)
    nobody = known(gather(Scan(), {}), INPUTS)
    assert withheld(nobody, INPUTS, ("hippocampus_z",), "refused") == (
        Withheld("quality_refused", None),
        Withheld("required_input_missing", "age_years"),
    )
    blank = known(gather(Scan(age_years=70.0), {}), INPUTS)
    assert withheld(blank, INPUTS, ("hippocampus_z",)) == (Withheld("too_much_missing", None),)
    assert withheld(known(gather(SCAN, {}), INPUTS), INPUTS, (), "warned") == ()
