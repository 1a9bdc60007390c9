# SPDX-License-Identifier: Apache-2.0
"""What stands in a report's charts over age: the web application's, and in its colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from memoryguard.api import words

Document: TypeAlias = Mapping[str, Any]
Chart: TypeAlias = dict[str, Any]

FIRST: Final = (
    *("hippocampus_total", "lateral_ventricles", "total_brain", "cortical_grey_matter"),
    *("third_ventricle", "cerebral_white_matter"),
)
"""The most telling first."""
MOST: Final = 4
COLOURS: Final = {
    "band-outer": "#dbe8f5",
    "band-inner": "#b4d0ea",
    "median": "#2a6aa8",
    "dot": "#b3470a",
}
"""By their names in web/src/charts/charts.css."""
CENTILES: Final = ("p5", "p25", "p50", "p75", "p95")
MARGIN: Final = 0.08
"""Share of all values that an axis leaves free at both ends."""
AGES, VALUES = 4, 6
"""About so many numbers stand at each axis."""


def curves(document: Document) -> list[Chart]:
    """Give a chart of each of the first volumes that have a curve over age.

    Volumes are in mL, ages in years. Every chart holds the curve, the scan with its error (one
    SD) and the person's earlier scans.
    """
    age = (document["person"] or {}).get("age_years")
    return [] if age is None else list(islice(_charts(document["atrophy"], age), MOST))


def _charts(atrophy: Document, age: float) -> Iterator[Chart]:
    for name in FIRST:
        score = atrophy["regions"].get(name) or {}
        if score.get("curve") and score["z"] is not None and score["volume_mm3"] is not None:
            points = (atrophy["change"].get(name) or {}).get("points") or ()
            yield _chart(name, score, age, [each for each in points if each["years"] < 0])


def _chart(name: str, score: Document, age: float, before: Sequence[Document]) -> Chart:
    curve = {each: [_ml(value) for value in score["curve"][each]] for each in CENTILES}
    ages = score["curve"]["age_years"]
    dot = _dot(age, score)
    earlier = [_dot(age + each["years"], each) for each in before]
    dots = [*earlier, dot]
    ends = [end for each in dots for end in (each["low"], each["high"])]
    return {
        "name": words.name(name),
        "ages": ages,
        "curve": curve,
        "dot": dot,
        "earlier": earlier,
        "x": _axis(min(*ages, *(each["age"] for each in dots)), max(*ages, age), AGES),
        "y": _axis(*_around([*curve["p5"], *curve["p95"], *ends]), VALUES),
        "said": _said(name, score, age, before),
    }


def _ml(value_mm3: float) -> float:
    return value_mm3 / words.MM3_PER_ML


def _dot(age: float, measured: Document) -> Chart:
    value, sd = _ml(measured["volume_mm3"]), measured.get("error_sd_mm3")
    error = _ml(sd or 0.0)
    return {"age": age, "value": value, "low": value - error, "high": value + error}


def _said(name: str, score: Document, age: float, before: Sequence[Document]) -> str:
    """Say in words what a chart shows, for who hears it."""
    measured = words.volume(score["volume_mm3"], score.get("error_sd_mm3"))
    parts = [f"{words.name(name)} over age: {measured} at {age:.0f} years"]
    if score["centile"] is not None:
        parts.append(f"centile {words.centile(score['centile'], None)} of healthy people")
    parts.append(words.severity(score["severity"], score["direction"]))
    for each in before:
        was = words.volume(each["volume_mm3"], each["error_sd_mm3"])
        parts.append(f"{was} at {age + each['years']:.1f} years in an earlier scan")
    return "; ".join(part for part in parts if part) + "."


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    more = (high - low) * MARGIN
    return low - more, high + more


def _axis(low: float, high: float, about: int) -> Chart:
    """Give an axis and the round numbers beside it: 1, 2 or 5 times a power of ten apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = next(times for times in (1, 2, 5, 10) if times * power * about >= high - low) * power
    marks = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    decimals = max(0, math.ceil(-math.log10(step)))
    ticks = [{"at": mark, "text": f"{mark:.{decimals}f}"} for mark in marks]
    return {"low": low, "high": high, "ticks": ticks}
