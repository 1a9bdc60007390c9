# SPDX-License-Identifier: Apache-2.0
"""Volumes out of soft segmentations, with their stated errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.vocabulary import VOLUMES
from memoryguard.processor.domain.drawing import Soft
from memoryguard.processor.domain.measurement import Measured

NOT_BRAIN: Final = ("background", "head", "csf")
VENTRICULAR: Final = ("lateral_ventricle", "third_ventricle", "fourth_ventricle")
CORTICAL: Final = ("cortex",)
GREY: Final = (
    "cortex",
    "cerebellar_cortex",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
    "hippocampus",
    "amygdala",
)
WHITE: Final = ("white",)

TOTALS: Final = {
    "hippocampus_total": ("hippocampus_left", "hippocampus_right"),
    "lateral_ventricles": ("lateral_ventricle_left", "lateral_ventricle_right"),
}
"""Stated as the sum of the stated sides; their line only holds the error of the sum."""


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

    def state(self, raw_mm3: float) -> Measured:
        """Return the stated volume, or the reason why there is none."""
        if self.reason is not None:
            return Measured(None, None, self.reason)
        value = max(0.0, self.scale * raw_mm3 + self.offset_mm3)
        if self.error_share is None:
            return Measured(value)
        return Measured(value, float(np.hypot(self.error_mm3, self.error_share * value)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """A `Line` for every volume, measured on held-out synthetic heads.

    `levels` says for which structures only voxels over a probability count: the networks
    put a faint rim around the ventricles that a sum of all probabilities would add up.
    """

    lines: dict[str, Line]
    levels: dict[str, float]

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Calibration:
        """Read what the calibration script wrote (calibration.json)."""
        lines = {name: Line(**stored["volumes"].get(name, {})) for name in VOLUMES}
        return cls(lines, stored.get("levels", {}))


def brain(whole: Soft) -> NDArray[np.float32]:
    """Probability of brain including ventricles, without the fluid around it."""
    layers = [i for i, name in enumerate(whole.names) if name not in NOT_BRAIN]
    total: NDArray[np.float32] = whole.probability[layers].sum(0)
    return total


def core_mm3(soft: Soft, name: str, levels: dict[str, float]) -> float:
    """Soft volume of the voxels over the structure's level (all of them by default)."""
    p = soft.of(name)
    return float(p[p > levels.get(name, 0.0)].sum(dtype=np.float64)) * soft.grid.voxel_volume_mm3


def raw_volumes(
    whole: Soft, hippocampi: list[Soft], central: list[Soft], levels: dict[str, float]
) -> dict[str, float]:
    """Soft volumes in mm3 before calibration; left comes first in the lists.

    Both central boxes hold the third ventricle: their mean counts.
    """
    hippocampus = [core_mm3(part, "hippocampus", levels) for part in hippocampi]
    lateral = [core_mm3(part, "lateral_ventricle", levels) for part in central]
    third = [core_mm3(part, "third_ventricle", levels) for part in central]
    brain_names = [n for n in whole.names if n not in NOT_BRAIN and n not in VENTRICULAR]
    inside_names = [n for n in whole.names if n not in ("background", "head")]
    return {
        "hippocampus_left": hippocampus[0],
        "hippocampus_right": hippocampus[1],
        "hippocampus_total": sum(hippocampus),
        "lateral_ventricle_left": lateral[0],
        "lateral_ventricle_right": lateral[1],
        "lateral_ventricles": sum(lateral),
        "third_ventricle": sum(third) / len(third),
        "cortical_grey_matter": whole.volume_mm3(*CORTICAL),
        "grey_matter": whole.volume_mm3(*GREY),
        "white_matter": whole.volume_mm3(*WHITE),
        "total_brain": whole.volume_mm3(*brain_names),
        "intracranial": whole.volume_mm3(*inside_names),
    }


def measure(
    whole: Soft, hippocampi: list[Soft], central: list[Soft], calibration: Calibration
) -> dict[str, Measured]:
    """Stated volumes with every key of `VOLUMES`."""
    raw = raw_volumes(whole, hippocampi, central, calibration.levels)
    stated = {name: calibration.lines[name].state(raw[name]) for name in VOLUMES}
    for total, sides in TOTALS.items():
        parts = [stated[side].value for side in sides]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            stated[total] = calibration.lines[total].state(sum(known))
    return stated
