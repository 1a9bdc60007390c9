# SPDX-License-Identifier: Apache-2.0
"""Sites as random effects: the mean over sites of a z, and how far sites lie from each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import chi2

from memoryguard.atrophy.domain.norms import CI95_Z

TAU2_STEP = 1e-12
MAX_TAU = 10.0
"""A spread of ten residual SDs between sites is beyond anything a norm could be used for."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """Mean over sites with its 95 % interval, and the SD between sites (tau) with its own."""

    mean: float
    ci95: tuple[float, float]
    tau: float
    tau_ci95: tuple[float, float]
    sites: int
    people: int


def pool(values: Mapping[str, Sequence[float]]) -> Pooled:
    """Pool the values of several sites by random effects.

    Tau by restricted maximum likelihood (REML), its interval by the Q profile (Viechtbauer 2007),
    the mean's interval by the normal approximation with REML weights. The variance within sites is
    taken as the same everywhere, since many sites have few people.

    Parameters
    ----------
    values
        Values by site; sites of one person count, too.
    """
    groups = [group for group in values.values() if group]
    if len(groups) < 2:
        raise ValueError("a spread between sites needs two sites")
    means = [math.fsum(group) / len(group) for group in groups]
    variances = [_within(groups) / len(group) for group in groups]
    tau2 = _reml(means, variances)
    weights = [1.0 / (tau2 + variance) for variance in variances]
    mean, se = _mean(means, weights), 1.0 / math.sqrt(math.fsum(weights))
    people = sum(map(len, groups))
    return Pooled(
        mean,
        (mean - CI95_Z * se, mean + CI95_Z * se),
        math.sqrt(tau2),
        _profile(means, variances),
        len(groups),
        people,
    )


def _within(groups: Sequence[Sequence[float]]) -> float:
    squares = degrees = 0.0
    for group in groups:
        centre = math.fsum(group) / len(group)
        squares += math.fsum((value - centre) ** 2 for value in group)
        degrees += len(group) - 1
    return squares / degrees


def _mean(means: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(w * m for w, m in zip(weights, means, strict=True)) / math.fsum(weights)


def _q(tau2: float, means: Sequence[float], variances: Sequence[float]) -> float:
    """Give Q: weighted squares about the weighted mean; it falls as tau² grows."""
    weights = [1.0 / (tau2 + variance) for variance in variances]
    mean = _mean(means, weights)
    return math.fsum(w * (m - mean) ** 2 for w, m in zip(weights, means, strict=True))


def _reml(means: Sequence[float], variances: Sequence[float]) -> float:
    """Tau² where the derivative of the restricted likelihood is zero, or zero."""

    def score(tau2: float) -> float:
        weights = [1.0 / (tau2 + variance) for variance in variances]
        mean = _mean(means, weights)
        squares = math.fsum((w * (m - mean)) ** 2 for w, m in zip(weights, means, strict=True))
        total = math.fsum(weights)
        return squares - total + math.fsum(w * w for w in weights) / total

    return _root(score)


def _profile(means: Sequence[float], variances: Sequence[float]) -> tuple[float, float]:
    """Spreads at which Q reaches the upper and lower 2.5 % of its distribution."""

    def edge(probability: float) -> float:
        at = float(chi2.ppf(probability, len(means) - 1))
        return math.sqrt(_root(lambda tau2: _q(tau2, means, variances) - at))

    return edge(0.975), edge(0.025)


def _root(falling: Callable[[float], float]) -> float:
    """Zero of a falling function of tau² from 0 to `MAX_TAU`²; the near end if it has none."""
    low, high = 0.0, MAX_TAU**2
    if falling(low) <= 0.0:
        return low
    while high - low > TAU2_STEP:
        middle = (low + high) / 2.0
        low, high = (middle, high) if falling(middle) > 0.0 else (low, middle)
    return (low + high) / 2.0
