# SPDX-License-Identifier: Apache-2.0
"""What the risk model answers: similarity to diagnosed groups today, and what moved it."""

from __future__ import annotations

from dataclasses import dataclass

from memoryguard.ml.domain.features import FeatureSet, Withheld


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answered: name, version, file and its SHA-256."""

    name: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Shapley values of `dementia_similarity`, in probability.

    ``base + sum(contributions.values())`` is the similarity. `base` is its mean over
    `background_people` drawn people, the three groups in equal parts.
    """

    base: float
    contributions: dict[str, float]
    background_people: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probability of each diagnosed group under `class_priors`, with its explanation.

    `features` are the values used; what was not known stands in `missing` with its reason.
    """

    probabilities: dict[str, float]
    class_priors: dict[str, float]
    dementia_similarity: float
    explanation: Explanation
    features: dict[str, float]
    missing: dict[str, str]
    model: ModelIdentity


@dataclass(frozen=True, slots=True)
class NoPrediction:
    """No answer, and every reason why."""

    reasons: tuple[Withheld, ...]
    features: FeatureSet
    out_of_range: tuple[str, ...]
