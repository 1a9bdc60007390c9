# SPDX-License-Identifier: Apache-2.0
"""Figures of merit: discrimination and calibration, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

CN, MCI, DEMENTIA = 0, 1, 2
BINS = 10
RESAMPLES, SEED = 1000, 5
LEAST = 1e-6
Figure = Callable[..., float]
"""From arrays over people to a number."""


def auc(score: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often the one it happened to has the higher score."""
    ranks, positive = rankdata(score), int(happened.sum())
    least = positive * (positive + 1) / 2
    return float((ranks[happened].sum() - least) / positive / (len(score) - positive))


def calibration(
    probability: NDArray[np.float64], happened: NDArray[np.bool_]
) -> tuple[float, float]:
    """Calibration slope, and intercept with the slope at 1 (calibration in the large).

    Slope: of a logistic regression on logit(p), 1 where stated differences are true ones, below 1
    where they are too large. Intercept: log odds that the whole lacks, 0 where none.
    """
    stated = np.clip(probability, LEAST, 1.0 - LEAST)
    logit = np.log(stated / (1.0 - stated))

    def fitted(design: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
        def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            score = design @ b + offset
            value = float(np.mean(np.logaddexp(0.0, score) - happened * score))
            return value, design.T @ (1.0 / (1.0 + np.exp(-score)) - happened) / len(score)

        return minimize(loss, np.zeros(design.shape[1]), jac=True, method="BFGS").x

    ones = np.ones((len(logit), 1))
    slope = fitted(np.column_stack([logit, ones]), np.zeros_like(logit))[0]
    return float(slope), float(fitted(ones, logit)[0])


def brier(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over people of the squared error, added up over the groups."""
    return float(np.mean(np.sum((probabilities - np.eye(3)[labels]) ** 2, axis=1)))


def macro_auc(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over the groups of the AUC of one against the rest."""
    return float(np.mean([auc(probabilities[:, c], labels == c) for c in range(3)]))


def auc_cn_dementia(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """AUC of dementia against CN, MCI left out."""
    either = labels != MCI
    pair = probabilities[either]
    share = pair[:, DEMENTIA] / (pair[:, DEMENTIA] + pair[:, CN])
    return auc(share, labels[either] == DEMENTIA)


def figures(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Discrimination and calibration of probabilities (n, 3) for labels (n,)."""
    shares = np.bincount(labels, minlength=3) / len(labels)
    slope, intercept = calibration(probabilities[:, DEMENTIA], labels == DEMENTIA)
    return {
        "n": len(labels),
        "macro_auc": macro_auc(probabilities, labels),
        "auc_cn_dementia": auc_cn_dementia(probabilities, labels),
        "brier": brier(probabilities, labels),
        "brier_of_shares": brier(np.tile(shares, (len(labels), 1)), labels),
        "slope_dementia": slope,
        "intercept_dementia": intercept,
    }


def reliability(
    probability: NDArray[np.float64], happened: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Mean stated probability beside the observed share, in ten equal bins of probability."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        {
            "bin": f"{b / BINS:.1f}-{(b + 1) / BINS:.1f}",
            "n": int(np.sum(bins == b)),
            "stated": float(probability[bins == b].mean()),
            "observed": float(happened[bins == b].mean()),
        }
        for b in range(BINS)
        if np.any(bins == b)
    ]


def interval(
    figure: Figure, labels: NDArray[Any], *arrays: NDArray[np.float64], within: bool = True
) -> tuple[float, float]:
    """95 % interval of a figure of arrays over people, by resampling people (within each label).

    What depends on how many have a label is resampled without regard to it.
    """
    generator = np.random.default_rng(SEED)
    kinds = labels if within else np.zeros(len(labels))
    groups = [np.flatnonzero(kinds == each) for each in np.unique(kinds)]
    values: list[float] = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([generator.choice(group, len(group)) for group in groups])
        values.append(figure(*(each[rows] for each in arrays), labels[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
