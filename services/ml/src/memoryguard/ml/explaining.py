# SPDX-License-Identifier: Apache-2.0
"""Shap: the reference of our own exact values, and the estimates for any other model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Probability: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From rows (n, k) to the probability (n,) of the explained group."""

ROUNDS = 10


def reference(
    probability: Probability, person: NDArray[np.float64], background: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Base and Shapley values (k,) by shap's ExactExplainer: every coalition is evaluated."""
    explainers, masker = _shap(background)
    found = explainers.ExactExplainer(probability, masker)(person[None], silent=True)
    return float(np.ravel(found.base_values)[0]), np.asarray(found.values[0], dtype=np.float64)


def permuted(
    probability: Probability,
    person: NDArray[np.float64],
    background: NDArray[np.float64],
    rounds: int = ROUNDS,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Base, values (k,) and their standard errors (k,) by shap's PermutationExplainer.

    Every round goes through the features in one random order, there and back. Each round's values
    add up, so their mean does; its standard error comes from how the rounds differ.
    """
    explainers, masker = _shap(background)
    base = float(probability(background).mean())
    evaluations = 2 * len(person) + 1
    values = np.asarray(
        [
            explainers.PermutationExplainer(probability, masker, seed=place)(
                person[None], max_evals=evaluations, silent=True
            ).values[0]
            for place in range(rounds)
        ],
        dtype=np.float64,
    )
    return base, values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(rounds)


def _shap(background: NDArray[np.float64]) -> tuple[Any, Any]:
    """Import shap's explainers; a masker over the whole background.

    Up to Python 3.11 shap brings numba, which would compile for 14 s to save milliseconds per
    explanation; it is told not to while shap's functions are defined.
    """
    with warnings.catch_warnings():
        # shap and numba warn about their own dependencies while they load.
        warnings.simplefilter("ignore")
        numba = import_module("numba") if find_spec("numba") else None
        before = numba.config.DISABLE_JIT if numba else None
        try:
            if numba:
                numba.config.DISABLE_JIT = True
            explainers = import_module("shap.explainers")
            maskers = import_module("shap.maskers")
        finally:
            if numba:
                numba.config.DISABLE_JIT = before
    return explainers, maskers.Independent(background, max_samples=len(background))
