# SPDX-License-Identifier: Apache-2.0
"""Multinomial logistic regression whose coefficients are ordered where medicine says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

CLASSES = 3
SLACK = 2e-4


def fit(
    x: NDArray[np.float64],
    labels: NDArray[np.int64],
    signs: NDArray[np.float64],
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Fit by maximum likelihood; the problem is convex.

    Each class's coefficients are the previous class's plus an increment. Where a sign is given
    the increments may not go against it: the feature then pushes from each group to the next, and
    the probability of the last group is monotone in it everywhere.

    Parameters
    ----------
    x
        Standardised features (n, k).
    labels
        Group (n,), 0 to 2, in the order of the disease.
    signs
        (k,) of +1, -1 or 0 (free).
    start
        Increments (k + 1, 2) to start from.

    Returns
    -------
    Increments (k + 1, 2), intercepts last.
    """
    design = np.column_stack([x, np.ones(len(x))])
    flip = np.append(np.where(signs == 0, 1.0, signs), 1.0)
    bounds = [(None, None) if s == 0 else (0.0, None) for s in np.append(signs, 0) for _ in "12"]
    design = design * flip
    target = np.eye(CLASSES)[labels][:, 1:]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = design @ np.cumsum(flat.reshape(-1, 2), axis=1)
        top = np.maximum(scores.max(axis=1), 0.0)
        powers = np.exp(scores - top[:, None])
        total = np.exp(-top) + powers.sum(axis=1)
        value = np.mean(np.log(total) + top - np.sum(scores * target, axis=1))
        gradient = design.T @ (powers / total[:, None] - target) / len(design)
        both = gradient.sum(axis=1)
        return float(value), np.column_stack([both, gradient[:, 1]]).ravel()

    first = np.zeros((design.shape[1], 2)) if start is None else start * flip[:, None]
    found = minimize(
        loss,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6},
    )
    _check(loss(found.x)[1], found.x, bounds)
    return found.x.reshape(-1, 2) * flip[:, None]


def _check(
    gradient: NDArray[np.float64],
    at: NDArray[np.float64],
    bounds: list[tuple[float | None, float | None]],
) -> None:
    """Stop where the optimum is not one: the gradient may only push against a bound."""
    for slope, value, (low, _) in zip(gradient, at, bounds, strict=True):
        held = low is not None and value <= 0.0
        if abs(min(slope, 0.0) if held else slope) > SLACK:
            raise ArithmeticError("the fit has not converged")


def raw(
    increments: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients (k + 1, 3) on features as they come, from those on standardised ones."""
    slopes = increments[:-1] / sd[:, None]
    intercept = increments[-1] - mean @ slopes
    found = np.cumsum(np.vstack([slopes, intercept]), axis=1)
    return np.column_stack([np.zeros(len(found)), found])
