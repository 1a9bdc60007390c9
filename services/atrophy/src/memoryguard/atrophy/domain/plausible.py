# SPDX-License-Identifier: Apache-2.0
"""What a value can be at all, so that another unit, or another structure, is never scored.

The ranges are wide: they hold any living adult, the largest hydrocephalus and the smallest
hippocampus included. They are narrow enough that the same value in mL, cm³ or litres lies
outside. They say nothing about health.
"""

from __future__ import annotations

import math

_SIDES: dict[str, tuple[float, float]] = {
    "hippocampus": (400.0, 9_000.0),
    "lateral_ventricle": (600.0, 250_000.0),
    "cortical_grey": (60_000.0, 500_000.0),
    "cerebral_white": (60_000.0, 500_000.0),
}
RANGES: dict[str, tuple[float, float]] = {
    **{f"{name}_{side}": r for name, r in _SIDES.items() for side in ("left", "right")},
    "hippocampus_total": (800.0, 18_000.0),
    "lateral_ventricles": (1_200.0, 500_000.0),
    "third_ventricle": (50.0, 30_000.0),
    "cortical_grey_matter": (120_000.0, 1_000_000.0),
    "cerebral_white_matter": (120_000.0, 1_000_000.0),
    "total_brain": (400_000.0, 2_300_000.0),
    "intracranial": (700_000.0, 2_600_000.0),
    "cortex_left": (1.0, 5.0),
    "cortex_right": (1.0, 5.0),
    "cortex_mean": (1.0, 5.0),
}
"""Lowest and highest value: mm³, and mm for the cortex's thickness."""


def problem(region: str, value: float) -> str | None:
    """Reason why a value cannot be one of that region in its unit, None where it can."""
    what = "intracranial" if region == "intracranial" else "volume"
    if not (math.isfinite(value) and value > 0.0):
        return f"{what}_not_positive"
    low, high = RANGES.get(region, (0.0, math.inf))
    return None if low <= value <= high else f"{what}_not_plausible"
