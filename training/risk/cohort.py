# SPDX-License-Identifier: Apache-2.0
"""Draw people of each diagnosed group from the group's published means and covariances."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = ("CN", "MCI", "Dementia")
REQUIRED = ("age_years", "male", "hippocampus_total_mm3", "intracranial_mm3")
OPTIONAL = ("education_years", "apoe4_count", "moca")
FEATURES = REQUIRED + OPTIONAL
# Our feature names beside the names of the moments.
MOMENT_NAMES = {
    "age_years": "age",
    "male": "male",
    "hippocampus_total_mm3": "hippocampus",
    "intracranial_mm3": "icv",
    "education_years": "pteducat",
    "apoe4_count": "apoe4",
    "moca": "moca",
}
MOMENTS = Path(__file__).with_name("moments.json")


@dataclass(frozen=True)
class Moments:
    """Mean (7,) and covariance (7, 7) per class, columns in the order of `FEATURES`."""

    mean: dict[str, NDArray[np.float64]]
    covariance: dict[str, NDArray[np.float64]]


def load_moments(path: Path = MOMENTS) -> Moments:
    """Read moments.json and put its columns into our order."""
    document = json.loads(path.read_text(encoding="utf-8"))
    order = [document["order"].index(MOMENT_NAMES[name]) for name in FEATURES]
    mean: dict[str, NDArray[np.float64]] = {}
    covariance: dict[str, NDArray[np.float64]] = {}
    for name in CLASSES:
        moments = document["classes"][name]
        mean[name] = np.asarray(moments["mean"])[order]
        covariance[name] = np.asarray(moments["cov"])[np.ix_(order, order)]
    return Moments(mean, covariance)


def draw(
    moments: Moments, per_class: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw `per_class` people of every class.

    A multivariate normal per class; then male is cut at 0.5, APOE4 rounded to 0, 1 or 2 and MoCA
    to whole points between 0 and 30, as those quantities are.

    Returns
    -------
    features, labels
        float64 (3·per_class, 7) in the order of `FEATURES`; int64 (3·per_class,) into `CLASSES`.
    """
    generator = np.random.default_rng(seed)
    features = np.concatenate(
        [
            moments.mean[name]
            + generator.standard_normal((per_class, len(FEATURES))) @ _root(moments, name).T
            for name in CLASSES
        ]
    )
    column = {name: index for index, name in enumerate(FEATURES)}
    features[:, column["male"]] = features[:, column["male"]] > 0.5
    features[:, column["apoe4_count"]] = np.clip(np.rint(features[:, column["apoe4_count"]]), 0, 2)
    features[:, column["moca"]] = np.clip(np.rint(features[:, column["moca"]]), 0, 30)
    return features, np.repeat(np.arange(len(CLASSES)), per_class)


def _root(moments: Moments, name: str) -> NDArray[np.float64]:
    """Matrix L (7, 7) with L·Lᵀ = covariance, taken on the scale of correlations.

    mm³ of the head and counts of alleles differ by ten orders of magnitude: factorising the
    covariance itself would lose the small ones. Fails where the moments contradict themselves.
    """
    sd = np.sqrt(np.diag(moments.covariance[name]))
    return sd[:, None] * np.linalg.cholesky(moments.covariance[name] / np.outer(sd, sd))
