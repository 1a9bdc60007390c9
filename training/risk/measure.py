# SPDX-License-Identifier: Apache-2.0
"""Figures of merit of a three-class model: discrimination and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

CN, MCI, DEMENTIA = 0, 1, 2
BINS = 10


def figures(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> dict[str, float | int]:
    """AUC, Brier, log loss and calibration error of probabilities (n, 3) for labels (n,)."""
    chosen = probabilities[np.arange(len(labels)), labels]
    shares = np.bincount(labels, minlength=3) / len(labels)
    onehot = np.eye(3)[labels]
    return {
        "n": len(labels),
        "macro_ovr_auc": float(roc_auc_score(labels, probabilities, multi_class="ovr")),
        "auc_dementia_vs_rest": float(
            roc_auc_score(labels == DEMENTIA, probabilities[:, DEMENTIA])
        ),
        "auc_cn_vs_dementia": _auc_cn_vs_dementia(probabilities, labels),
        "brier": float(np.mean(np.sum((probabilities - onehot) ** 2, axis=1))),
        "brier_of_prior": float(np.mean(np.sum((shares - onehot) ** 2, axis=1))),
        "log_loss": float(-np.mean(np.log(chosen))),
        "log_loss_of_prior": float(-np.sum(shares * np.log(shares))),
        "ece_dementia": calibration_error(probabilities[:, DEMENTIA], labels == DEMENTIA),
        "ece_mean_over_classes": float(
            np.mean([calibration_error(probabilities[:, c], labels == c) for c in range(3)])
        ),
    }


def _auc_cn_vs_dementia(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    either = labels != MCI
    pair = probabilities[either][:, [CN, DEMENTIA]]
    return float(roc_auc_score(labels[either] == DEMENTIA, pair[:, 1] / pair.sum(axis=1)))


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


def calibration_error(probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Expected calibration error: |stated − observed|, averaged over people in ten bins."""
    rows = reliability(probability, happened)
    return sum(row["n"] * abs(row["stated"] - row["observed"]) for row in rows) / len(probability)


def with_prior(
    probabilities: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probabilities (n, 3) of equal priors moved to the class shares of another population."""
    moved = probabilities * shares
    return moved / moved.sum(axis=1, keepdims=True)


def bootstrap_interval(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], name: str, seed: int
) -> tuple[float, float]:
    """95 % interval of one of `figures` over 1,000 resamplings of the people within classes."""
    generator = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels == c) for c in range(3)]
    values: list[float] = []
    for _ in range(1000):
        rows = np.concatenate([generator.choice(group, len(group)) for group in groups])
        values.append(float(figures(probabilities[rows], labels[rows])[name]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
