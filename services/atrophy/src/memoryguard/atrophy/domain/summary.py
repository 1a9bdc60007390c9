# SPDX-License-Identifier: Apache-2.0
"""Four summaries of a scan, each a word and a plain sentence.

One scan shows how large something is for age, so that is what the sentences say: whether it has
shrunk needs two (see `change`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from memoryguard.atrophy.domain.result import RegionScore, Summary
from memoryguard.atrophy.domain.severity import Severity

SUMMARIES: Final = {
    "hippocampal": ("The hippocampi together", ("hippocampus_total",)),
    "cortical": ("The cortex", ("cortical_grey_matter", "cortex_mean")),
    "ventricular_enlargement": ("The lateral ventricles together", ("lateral_ventricles",)),
    "whole_brain": ("The whole brain", ("total_brain",)),
}
"""What a sentence speaks of, and the regions it may come from, the first that has a z."""

_DEGREES: Final[dict[Severity, str]] = {
    "mild": "mildly",
    "moderate": "moderately",
    "severe": "severely",
}


def summaries(scores: Mapping[str, RegionScore]) -> dict[str, Summary]:
    """Sum up volumes and thicknesses, given under their names."""
    return {name: _summary(*spec, scores) for name, spec in SUMMARIES.items()}


def _summary(subject: str, regions: tuple[str, ...], scores: Mapping[str, RegionScore]) -> Summary:
    scored = [name for name in regions if name in scores and scores[name].severity is not None]
    if not scored:
        reasons = [scores[name].reason for name in regions if name in scores]
        reason = next((reason for reason in reasons if reason), "not_measured")
        return Summary(None, None, f"{subject} could not be compared with healthy people.", reason)
    score = scores[scored[0]]
    return Summary(scored[0], score.severity, f"{subject}: {_words(score)}", score.severity_reason)


def _words(score: RegionScore) -> str:
    what = "thickness" if score.scale == "mm" else "volume"
    verb = "high" if score.direction == "high" else "low"
    if score.severity == "none":
        return f"{what} within the usual range for age."
    if score.severity in _DEGREES:
        return f"{_DEGREES[score.severity]} {verb} {what} for age."
    if score.centile_band is None:
        return f"whether {what} is {verb} for age is too uncertain to say."
    low, high = (_edge(centile) for centile in score.centile_band)
    return (
        f"whether {what} is {verb} for age is too uncertain to say;"
        f" centile {low} to {high} with 80 % certainty."
    )


def _edge(percent: float) -> str:
    if percent < 1.0:
        return "below 1"
    return "above 99" if percent > 99.0 else f"{percent:.0f}"
