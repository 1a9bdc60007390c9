# SPDX-License-Identifier: Apache-2.0
"""Severity words follow the table and are only given when they are certain."""

from __future__ import annotations

import pytest

from memoryguard.atrophy.domain.severity import (
    CLASSES,
    MIN_CERTAINTY,
    centile_band,
    class_of,
    class_probabilities,
    direction,
    judge,
)


@pytest.mark.parametrize(
    ("z", "expected"),
    [(0.0, "none"), (-1.28, "none"), (-1.29, "mild"), (-2.0, "moderate"), (-3.0, "severe")],
)
def test_low_volume_table(z: float, expected: str) -> None:
    assert class_of(z, "low") == expected
    assert class_of(-z, "high") == expected


def test_the_other_side_is_never_abnormal() -> None:
    assert class_of(4.0, "low") == "none"
    assert class_of(-4.0, "high") == "none"


def test_directions() -> None:
    assert direction("lateral_ventricles") == "high"
    assert direction("third_ventricle") == "high"
    assert direction("hippocampus_total") == "low"
    assert direction("total_brain") == "low"


@pytest.mark.parametrize("z", [-4.0, -2.4, -1.6, 0.0, 2.0])
@pytest.mark.parametrize("sd", [0.0, 0.05, 0.4, 2.0])
def test_probabilities_are_a_distribution_and_mirror(z: float, sd: float) -> None:
    low = class_probabilities(z, sd, "low")
    assert sum(low.values()) == pytest.approx(1.0)
    assert all(value >= 0.0 for value in low.values())
    assert class_probabilities(-z, sd, "high") == pytest.approx(low)


def test_probability_of_a_band_in_closed_form() -> None:
    # z on the edge of moderate: half of the distribution lies on each side.
    found = class_probabilities(-2.0, 0.1, "low")
    assert found["moderate"] == pytest.approx(0.5)
    assert found["mild"] == pytest.approx(0.5)


def test_word_only_when_certain() -> None:
    sure = judge(-2.5, 0.3, "low")
    assert sure.severity == "moderate"
    assert sure.reason is None
    unsure = judge(-2.5, 0.6, "low")
    assert unsure.severity == "uncertain"
    assert unsure.reason == "class_uncertain"
    assert unsure.probabilities is not None
    assert max(unsure.probabilities.values()) < MIN_CERTAINTY


def test_every_word_can_be_given_at_the_error_of_the_norms_themselves() -> None:
    words = {judge(z / 100, 0.25, "low").severity for z in range(-500, 200)}
    assert words == {*CLASSES, "uncertain"}


def test_unknown_error_is_uncertain() -> None:
    verdict = judge(-5.0, None, "low")
    assert (verdict.severity, verdict.reason) == ("uncertain", "error_of_z_unknown")
    assert verdict.probabilities is None
    assert centile_band(-5.0, None) is None


def test_lower_z_never_gives_a_milder_word() -> None:
    words = [judge(z / 50, 0.3, "low").severity for z in range(100, -300, -1)]
    ranks = [CLASSES.index(word) for word in words if word != "uncertain"]
    assert ranks == sorted(ranks)


def test_band_holds_eighty_percent() -> None:
    band = centile_band(0.0, 1.0)
    assert band == pytest.approx((10.0, 90.0))
