# SPDX-License-Identifier: Apache-2.0
"""How far from healthy is a z: one table of cut-offs, and when a word may be given.

| class    | z in the abnormal direction | healthy people beyond its inner edge |
|----------|-----------------------------|--------------------------------------|
| none     | less than 1.2816            | -                                    |
| mild     | 1.2816 to 2                 | 10 %                                 |
| moderate | 2 to 3                      | 2.3 %                                |
| severe   | 3 and more                  | 0.13 %                               |

The tenth centile is the customary edge of "unremarkable"; 2 SD is the edge of the central 95 %
by which laboratories set reference intervals; 3 SD, one healthy person in 740, is the customary
edge of an extreme (the growth standards of the World Health Organization use the same −2 and −3
for moderate and severe). The bands are 0.7 and 1 SD wide on purpose: a narrower one could never
be told apart with the error of a scan. They are conventions, not thresholds of disease: a word
says how rare a volume is among healthy people, nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from memoryguard.atrophy.domain.norms import centile

Severity = Literal["none", "mild", "moderate", "severe", "uncertain"]
Direction = Literal["low", "high"]

CLASSES: tuple[Severity, ...] = ("none", "mild", "moderate", "severe")
# Inner edges of mild, moderate and severe; see the table above.
CUTOFFS_Z: tuple[float, ...] = (1.2815515655446004, 2.0, 3.0)
MIN_CERTAINTY = 0.80
# Two-sided 80 % of a normal distribution: the band that goes with "uncertain".
BAND_Z = 1.2815515655446004

# Ventricles grow where the brain shrinks, so for them it is a high volume that is abnormal.
HIGH_IS_ABNORMAL = frozenset(
    {"lateral_ventricle_left", "lateral_ventricle_right", "lateral_ventricles", "third_ventricle"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A severity word with the probability of each class under the z's error.

    `probabilities` follows `CLASSES` and is None where the error of the z is not known.
    """

    severity: Severity
    probabilities: dict[str, float] | None
    reason: str | None


def direction(region: str) -> Direction:
    """Side on which this region's volume is abnormal."""
    return "high" if region in HIGH_IS_ABNORMAL else "low"


def class_of(z: float, side: Direction) -> Severity:
    """Class of a z known without error."""
    depth = z if side == "high" else -z
    return CLASSES[sum(depth >= cutoff for cutoff in CUTOFFS_Z)]


def class_probabilities(z: float, z_sd: float, side: Direction) -> dict[str, float]:
    """Probability of each class for a true z distributed as N(z, z_sd²)."""
    depth = z if side == "high" else -z
    if z_sd == 0.0:
        return {name: float(name == class_of(z, side)) for name in CLASSES}
    below = [centile((cutoff - depth) / z_sd) / 100.0 for cutoff in CUTOFFS_Z]
    edges = [0.0, *below, 1.0]
    return {
        name: upper - lower
        for name, lower, upper in zip(CLASSES, edges[:-1], edges[1:], strict=True)
    }


def judge(z: float, z_sd: float | None, side: Direction) -> Verdict:
    """Give the severity word when its class is at least 80 % certain, else "uncertain".

    Parameters
    ----------
    z
        The z against the norm.
    z_sd
        Standard deviation of that z (measurement, calibration, pack …); None where a part of it
        is unknown, which always makes the word "uncertain".
    side
        The abnormal direction.
    """
    if z_sd is None:
        return Verdict("uncertain", None, "error_of_z_unknown")
    probabilities = class_probabilities(z, z_sd, side)
    best = max(CLASSES, key=lambda name: probabilities[name])
    if probabilities[best] >= MIN_CERTAINTY:
        return Verdict(best, probabilities, None)
    return Verdict("uncertain", probabilities, "class_uncertain")


def centile_band(z: float, z_sd: float | None) -> tuple[float, float] | None:
    """Centiles (percent) between which the true one lies with 80 % certainty."""
    if z_sd is None or not math.isfinite(z_sd):
        return None
    return centile(z - BAND_Z * z_sd), centile(z + BAND_Z * z_sd)
