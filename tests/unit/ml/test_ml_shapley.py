# SPDX-License-Identifier: Apache-2.0
"""Our own Shapley values against their definition, their axioms, and shap."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memoryguard.ml.domain.shapley import coalitions, exact
from memoryguard.ml.explaining import permuted, reference

SEEDS = st.integers(0, 2**32 - 1)


def case(seed: int, k: int, groups: int = 3) -> tuple[NDArray[np.float64], ...]:
    generator = np.random.default_rng(seed)
    return (
        generator.standard_normal(k),
        generator.standard_normal((13, k)),
        2.0 * generator.standard_normal((k + 1, groups)),
    )


def probability(
    rows: NDArray[np.float64], coefficients: NDArray[np.float64], target: int
) -> NDArray[np.float64]:
    scores = rows @ coefficients[:-1] + coefficients[-1]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers[:, target] / powers.sum(axis=1)


def test_by_the_definition() -> None:
    """Every order's marginal contribution, over the whole background."""
    person, background, coefficients = case(1, 4)

    def worth(coalition: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(coalition)] = person[list(coalition)]
        return float(probability(rows, coefficients, 2).mean())

    _, found = exact(person, background, coefficients, 2)
    for feature in range(4):
        marginals = [
            worth(order[: order.index(feature) + 1]) - worth(order[: order.index(feature)])
            for order in itertools.permutations(range(4))
        ]
        assert found[feature] == pytest.approx(math.fsum(marginals) / len(marginals), abs=1e-12)


@given(SEEDS, st.integers(1, 8), st.integers(2, 4))
def test_they_add_up_to_the_probability(seed: int, k: int, groups: int) -> None:
    person, background, coefficients = case(seed, k, groups)
    base, found = exact(person, background, coefficients, groups - 1)
    assert base == pytest.approx(probability(background, coefficients, groups - 1).mean())
    stated = probability(person[None], coefficients, groups - 1)[0]
    assert base + found.sum() == pytest.approx(stated, abs=1e-12)


@given(SEEDS)
def test_what_changes_nothing_gets_nothing_and_equals_get_equal(seed: int) -> None:
    person, background, coefficients = case(seed, 5)
    coefficients[0] = coefficients[0, 0]  # the same for every group
    coefficients[2] = coefficients[1]
    person[2], background[:, 2] = person[1], background[:, 1]
    _, found = exact(person, background, coefficients, 1)
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert found[1] == pytest.approx(found[2], abs=1e-12)


def test_probabilities_of_nothing_overflow_quietly() -> None:
    person, background, coefficients = case(2, 3)
    worth = coalitions(person, background, 1e4 * coefficients, 0)
    assert np.isfinite(worth).all()
    assert ((worth >= 0.0) & (worth <= 1.0)).all()


@pytest.mark.parametrize("k", [1, 3, 10])
def test_shap_says_the_same(k: int) -> None:
    person, background, coefficients = case(k, k)

    def similarity(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return probability(rows, coefficients, 2)

    base, found = exact(person, background, coefficients, 2)
    base_of_shap, values = reference(similarity, person, background)
    assert base == pytest.approx(base_of_shap, abs=1e-12)
    assert found == pytest.approx(values, abs=1e-9)
    if k == 10:
        base, estimate, errors = permuted(similarity, person, background)
        assert base + estimate.sum() == pytest.approx(similarity(person[None])[0], abs=1e-9)
        assert (errors > 0.0).any()
        assert (np.abs(estimate - values) <= 5.0 * errors + 1e-9).all()
