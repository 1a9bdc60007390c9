# SPDX-License-Identifier: Apache-2.0
"""Exact Shapley values of a softmax of linear scores, in probability space.

The value of a coalition is the mean probability over background people who are given the person's
values of the coalition's features (interventional values). Scores are linear, so those of all
2^k coalitions come out of each other by one addition each: k doublings instead of 2^k matrix
products.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LARGEST = 12
"""Features up to which every coalition is formed (4,096 of them)."""


def exact(
    person: NDArray[np.float64],
    background: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    target: int,
) -> tuple[float, NDArray[np.float64]]:
    """Base value and Shapley values of the probability of one group.

    Parameters
    ----------
    person
        Known features (k,).
    background
        The same features of the people compared with (n, k).
    coefficients
        Of the groups' scores (k + 1, groups), intercepts last.
    target
        Which group is explained.
    """
    worth = coalitions(person, background, coefficients, target)
    return float(worth[0]), shapley(worth)


def coalitions(
    person: NDArray[np.float64],
    background: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    target: int,
) -> NDArray[np.float64]:
    """Mean probability (2^k,) of every coalition; bit j of the place: feature j is in it."""
    others = np.delete(coefficients, target, axis=1) - coefficients[:, [target]]
    people, rivals = len(background), others.shape[1]
    # Scores of the other groups over the target's: (rivals · people) in a row.
    first = (background @ others[:-1] + others[-1]).T.ravel()
    steps = np.einsum("nk,kr->krn", person - background, others[:-1]).reshape(len(person), -1)
    scores = np.empty((2 ** len(person), rivals * people))
    scores[0] = first
    for j, step in enumerate(steps):
        np.add(scores[: 2**j], step, out=scores[2**j : 2 ** (j + 1)])
    with np.errstate(over="ignore"):  # exp(∞): the target's probability is 0
        np.exp(scores, out=scores)
    odds = scores.reshape(-1, rivals, people).sum(axis=1)
    return (1.0 / (1.0 + odds)).mean(axis=1)


def shapley(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values (k,) from the worth of every coalition (2^k,)."""
    k = len(worth).bit_length() - 1
    sizes = np.asarray([place.bit_count() for place in range(2**k)])
    found = np.empty(k)
    weights = np.asarray([1.0 / (k * math.comb(k - 1, size)) for size in range(k)])
    for j in range(k):
        pairs = worth.reshape(-1, 2, 2**j)
        without = sizes.reshape(-1, 2, 2**j)[:, 0]
        found[j] = np.sum(weights[without] * (pairs[:, 1] - pairs[:, 0]))
    return found
