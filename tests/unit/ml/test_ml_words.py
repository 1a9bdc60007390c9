# SPDX-License-Identifier: Apache-2.0
"""Shares of groups, and sentences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.ml.domain.features import FEATURES
from memoryguard.ml.domain.prevalence import mixed, moved, seats
from memoryguard.ml.domain.sentences import sentence, size

SHARES = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5).map(
    lambda raw: {str(place): share / math.fsum(raw) for place, share in enumerate(raw)}
)


def test_bayes() -> None:
    """Equal shares when trained, 1 in 10 ill: the odds of 3 to 1 become 1 to 3."""
    found = moved(np.asarray([[0.25, 0.75]]), np.asarray([0.9 / 0.5, 0.1 / 0.5]))
    assert found[0] == pytest.approx([0.75, 0.25])


@given(SHARES, st.integers(1, 300))
def test_seats_fill_the_house_within_one_of_the_share(shares: dict[str, float], n: int) -> None:
    found = seats(shares, n)
    assert sum(found.values()) == n
    assert all(abs(found[name] - share * n) < 1.0 for name, share in shares.items())


def test_the_background_is_mixed_from_the_first_of_each_group() -> None:
    people = np.arange(6.0)[:, None]
    found = mixed(people, ["a", "a", "a", "b", "b", "b"], {"a": 2, "b": 1})
    assert found.ravel().tolist() == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("name", "value", "contribution", "said"),
    [
        (
            "hippocampus_z",
            -1.3,
            0.21,
            "A hippocampus smaller than in 9 of 10 healthy people of that age raises the"
            " similarity by 21 points.",
        ),
        (
            "ventricles_z",
            2.5,
            0.014,
            "Lateral ventricles larger than in 99 of 100 healthy people of that age raise the"
            " similarity by 1 point.",
        ),
        ("moca", 28.0, -0.3, "28 of 30 points of MoCA lower the similarity by 30 points."),
        ("male", 0.0, 0.001, "Female sex hardly changes the similarity."),
        ("apoe4_alleles", 0.0, -0.05, "No ε4 alleles of APOE lower the similarity by 5 points."),
        (
            "hippocampus_percent_per_year",
            -3.14,
            0.1,
            "A hippocampus losing 3.1 % a year raises the similarity by 10 points.",
        ),
        ("grey_to_white", 1.234, 0.1, "Grey to white of 1.23 raises the similarity by 10 points."),
    ],
)
def test_sentences(name: str, value: float, contribution: float, said: str) -> None:
    assert sentence(name, value, contribution) == said


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("contribution", [-0.4, 0.0, 0.4])
def test_every_feature_can_be_said(name: str, contribution: float) -> None:
    said = sentence(name, 1.0, contribution)
    assert said.endswith(".")
    assert "_" not in said


@given(st.floats(-8.0, 8.0))
def test_a_volume_is_never_smaller_than_in_all_people(z: float) -> None:
    assert "100 of 100" not in size(z)
    assert "10 of 10 " not in size(z)
