# SPDX-License-Identifier: Apache-2.0
"""Left-right asymmetry and ratios between volumes, each with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping

from memoryguard.atrophy.domain.measure import Quantity

SIDES = {
    "hippocampus": ("hippocampus_left", "hippocampus_right"),
    "lateral_ventricle": ("lateral_ventricle_left", "lateral_ventricle_right"),
}
RATIOS = {
    "hippocampus_to_brain": ("hippocampus_total", "total_brain"),
    "ventricles_to_brain": ("lateral_ventricles", "total_brain"),
    "grey_to_white": ("grey_matter", "white_matter"),
    "brain_to_intracranial": ("total_brain", "intracranial"),
}

_ABSENT = Quantity(None, None, "not_measured")


def asymmetry_percent(left: Quantity, right: Quantity) -> Quantity:
    """Asymmetry index 200·(L − R)/(L + R) in percent of the mean side; positive: left larger.

    The error takes both sides' errors as independent:
    SD = 400/(L + R)² · sqrt((R·sL)² + (L·sR)²).
    """
    reason = _problem(left) or _problem(right)
    if reason or left.value is None or right.value is None:
        return Quantity(None, None, reason)
    total = left.value + right.value
    value = 200.0 * (left.value - right.value) / total
    if left.error_sd is None or right.error_sd is None:
        return Quantity(value)
    spread = math.hypot(right.value * left.error_sd, left.value * right.error_sd)
    return Quantity(value, 400.0 * spread / total**2)


def ratio(part: Quantity, whole: Quantity) -> Quantity:
    """Ratio of two volumes (no unit); relative errors of both taken as independent."""
    reason = _problem(part) or _problem(whole)
    if reason or part.value is None or whole.value is None:
        return Quantity(None, None, reason)
    value = part.value / whole.value
    if part.error_sd is None or whole.error_sd is None:
        return Quantity(value)
    relative = math.hypot(part.error_sd / part.value, whole.error_sd / whole.value)
    return Quantity(value, value * relative)


def asymmetries(volumes: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Asymmetry of every paired structure, in percent."""
    return {
        name: asymmetry_percent(volumes.get(left, _ABSENT), volumes.get(right, _ABSENT))
        for name, (left, right) in SIDES.items()
    }


def ratios(volumes: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Every ratio of `RATIOS` that can be formed; the others carry their reason."""
    return {
        name: ratio(volumes.get(part, _ABSENT), volumes.get(whole, _ABSENT))
        for name, (part, whole) in RATIOS.items()
    }


def _problem(quantity: Quantity) -> str | None:
    """Reason why a quantity cannot enter a ratio."""
    if quantity.value is None:
        return quantity.reason or "not_measured"
    positive = math.isfinite(quantity.value) and quantity.value > 0.0
    return None if positive else "volume_not_positive"
