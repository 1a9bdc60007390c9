# SPDX-License-Identifier: Apache-2.0
"""What the risk model answers: similarity to diagnosed groups today, and what moved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memoryguard.ml.domain.abstention import Known, Withheld


@dataclass(frozen=True, slots=True)
class Effect:
    """What one input adds to the base, and the error of that where it is estimated."""

    value: float
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Shapley values of the explained group's probability.

    ``base`` and all effects add up to the probability but for `additivity_error`. `base` is its
    mean over the background people, which `baseline` names.
    """

    base: float
    effects: dict[str, Effect]
    method: Literal["exact", "permutation"]
    additivity_error: float
    baseline: str
    background_people: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probability of each group at the stated prevalence, with its 95 % interval."""

    probabilities: dict[str, float]
    intervals95: dict[str, tuple[float, float]]
    prevalence: dict[str, float]
    explained: str
    explanation: Explanation
    given: Known

    @property
    def similarity(self) -> float:
        """Probability of the explained group."""
        return self.probabilities[self.explained]


@dataclass(frozen=True, slots=True)
class NoPrediction:
    """No answer, and every reason why."""

    reasons: tuple[Withheld, ...]
    given: Known
