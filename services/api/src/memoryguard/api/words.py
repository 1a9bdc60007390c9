# SPDX-License-Identifier: Apache-2.0
"""Names, phrases and numbers as people read them.

One scan shows what is low or large for age, not loss over time; the model says how similar a
person is to diagnosed groups today. The phrases keep to that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

NAMES: dict[str, str] = json.loads((files("memoryguard.api") / "names.json").read_text("utf-8"))
"""Of everything that is measured or given; the web application is built with the same file."""
DEGREES = {"mild": "mildly", "moderate": "moderately", "severe": "severely"}
VERDICTS = {
    "accepted": "The scan can be measured.",
    "warned": "The scan can be measured, with reservations.",
    "refused": "The scan cannot be measured.",
}
STATUSES = {
    "uploaded": "Uploaded",
    "processing": "Being worked on",
    "completed": "Completed",
    "failed": "No result",
}
MM3_PER_ML = 1000.0
NO_BREAK = "\N{NO-BREAK SPACE}"


def name(key: str) -> str:
    """Give the name of a region, group, feature or code."""
    return NAMES.get(key) or plain(key).capitalize()


def plain(code: str) -> str:
    """Write a code as words."""
    return code.replace("_", " ")


def severity(word: str | None, direction: str | None) -> str:
    """Say how a region compares with healthy people; a ventricle is judged when it is large."""
    if word == "none":
        return "within the usual range for age"
    if word == "uncertain":
        return "too uncertain to say"
    if word in DEGREES:
        return f"{DEGREES[word]} {'large' if direction == 'high' else 'low'} for age"
    return ""


def distance(word: str | None) -> str:
    """Say in a list how far the furthest region lies from what is usual."""
    if word in DEGREES:
        return f"{DEGREES[word]} outside"
    return {"none": "within", "uncertain": "too uncertain to say"}.get(word or "", "—")


def overall(word: str | None, region: str | None, direction: str | None, *, at_least: bool) -> str:
    """Say what the regions say together."""
    if word == "none":
        return "The regions that could be compared lie within the usual range for age."
    if word == "uncertain":
        return (
            "Whether the regions lie within the usual range for age is too uncertain to say from"
            " this scan."
        )
    if word is None:
        return "This scan could not be compared with healthy people."
    where = name(region) if region else "A region"
    worse = " A region beside it is uncertain and may lie further out." if at_least else ""
    return f"{where}: {severity(word, direction)}.{worse}"


def volume(value_mm3: float, error_sd_mm3: float | None = None) -> str:
    """Write a volume in mL, with as many decimals as are worth reading."""
    value_ml = value_mm3 / MM3_PER_ML
    decimals = 2 if abs(value_ml) < 20 else 1 if abs(value_ml) < 100 else 0
    spread = f" ± {error_sd_mm3 / MM3_PER_ML:,.{decimals}f}" if error_sd_mm3 is not None else ""
    return f"{value_ml:,.{decimals}f}{spread} mL".replace(" ", NO_BREAK)


def thickness(value_mm: float, error_sd_mm: float | None = None) -> str:
    """Write a thickness in mm."""
    spread = f" ± {error_sd_mm:.2f}" if error_sd_mm is not None else ""
    return f"{value_mm:.2f}{spread} mm".replace(" ", NO_BREAK)


def centile(percent: float, band: tuple[float, float] | None) -> str:
    """Write a centile with its 80 % band; the ends are not told apart finer than 1 %."""
    if band is None:
        return _edge(percent)
    return f"{_edge(percent)} ({_edge(band[0])} to {_edge(band[1])})"


def _edge(percent: float) -> str:
    if percent < 1:
        return "below 1"
    return "above 99" if percent > 99 else f"{percent:.0f}"


def interval(shares: Sequence[float] | None) -> str:
    """Write an interval of a share, in whole percent."""
    return f"{100 * shares[0]:.0f} to {100 * shares[1]:.0f} %" if shares else ""


def signed(value: float, unit: str, decimals: int = 1) -> str:
    """Write a number with its sign, a true minus and its unit."""
    return f"{value:+.{decimals}f}".replace("-", "−") + unit


def number(value: float) -> str:
    """Write a model's input: whole numbers as such, others with up to three decimals."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.3g}"
