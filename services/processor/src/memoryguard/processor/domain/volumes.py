# SPDX-License-Identifier: Apache-2.0
"""Volumes out of soft structures, with their stated errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.vocabulary import VOLUMES
from memoryguard.processor.domain.head import Part
from memoryguard.processor.domain.measurement import Measured


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in ("left", "right"))


NUCLEI: Final = ("thalamus", "caudate", "putamen", "pallidum", "accumbens")
VENTRICLES: Final = (
    *_sides("lateral_ventricle", "inferior_lateral_ventricle"),
    "third_ventricle",
    "fourth_ventricle",
    "ventricle",
)
CEREBELLUM: Final = ("cerebellar_white", "cerebellar_cortex")
GREY: Final = (
    *_sides("cortex", "hippocampus", "amygdala", *NUCLEI),
    "cerebellar_cortex",
)
WHITE: Final = (*_sides("white"), "cerebellar_white")
BRAIN: Final = (*GREY, *WHITE, *_sides("ventral"), "deep_grey", "brainstem")

SUMS: Final[dict[str, tuple[str, ...]]] = {
    **{
        name: (name,)
        for name in _sides(
            "hippocampus",
            "amygdala",
            *NUCLEI,
            "lateral_ventricle",
            "inferior_lateral_ventricle",
        )
    },
    "hippocampus_total": _sides("hippocampus"),
    "lateral_ventricles": _sides("lateral_ventricle"),
    "third_ventricle": ("third_ventricle",),
    "fourth_ventricle": ("fourth_ventricle",),
    "cortical_grey_left": ("cortex_left",),
    "cortical_grey_right": ("cortex_right",),
    "cortical_grey_matter": _sides("cortex"),
    "cerebral_white_left": ("white_left",),
    "cerebral_white_right": ("white_right",),
    "cerebral_white_matter": _sides("white"),
    "cerebellum": CEREBELLUM,
    "brain_stem": ("brainstem",),
    "grey_matter": GREY,
    "white_matter": WHITE,
    "total_brain": BRAIN,
    "extraventricular_csf": ("csf",),
    "intracranial": (*BRAIN, *VENTRICLES, "csf"),
}
"""Which structures make up every volume of `VOLUMES`."""


@dataclass(frozen=True, slots=True)
class Line:
    """How one raw volume becomes a stated one.

    ``value = scale * raw + offset_mm3``; its standard error is
    ``sqrt(error_mm3^2 + (error_share * value)^2)``. A `reason` means: not shown.
    """

    scale: float = 1.0
    offset_mm3: float = 0.0
    error_share: float | None = None
    error_mm3: float = 0.0
    reason: str | None = None

    def state(self, raw_mm3: float, confidence: float | None = None) -> Measured:
        """Return the stated volume, or the reason why there is none."""
        if self.reason is not None:
            return Measured(None, None, self.reason)
        value = max(0.0, self.scale * raw_mm3 + self.offset_mm3)
        if self.error_share is None:
            return Measured(value, confidence=confidence)
        error = float(np.hypot(self.error_mm3, self.error_share * value))
        return Measured(value, error, confidence=confidence)


def lines_from(stored: dict[str, Any]) -> dict[str, Line]:
    """Read the lines that the calibration script wrote (calibration.json)."""
    return {name: Line(**stored["volumes"].get(name, {})) for name in VOLUMES}


def raw_volumes(parts: dict[str, Part], voxel_mm3: float) -> dict[str, float]:
    """Soft volumes in mm3 before calibration, with every key of `VOLUMES`."""
    each = {name: part.volume() * voxel_mm3 for name, part in parts.items()}
    return {name: sum(each[part] for part in SUMS[name]) for name in VOLUMES}


def certain(probability: NDArray[np.float32]) -> tuple[float, int]:
    """Sum of the probabilities over 0.5, and how many there are."""
    inside = probability[probability > 0.5]
    return float(inside.sum(dtype=np.float64)), inside.size


def confidence(sure: Iterable[tuple[float, int]]) -> float:
    """Mean probability of the voxels that more likely than not belong to one of some structures.

    0 where there is none.
    """
    totals, counts = zip(*sure, strict=True)
    return sum(totals) / sum(counts) if any(counts) else 0.0


def measure(
    parts: dict[str, Part], voxel_mm3: float, lines: dict[str, Line]
) -> dict[str, Measured]:
    """Stated volumes with every key of `VOLUMES`."""
    raw = raw_volumes(parts, voxel_mm3)
    sure = {name: certain(part.probability) for name, part in parts.items()}
    return {
        name: lines[name].state(raw[name], round(confidence(sure[n] for n in SUMS[name]), 4))
        for name in VOLUMES
    }
