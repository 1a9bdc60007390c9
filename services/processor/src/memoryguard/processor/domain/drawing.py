# SPDX-License-Identifier: Apache-2.0
"""One label map on the input's grid, put together from the networks' soft boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.anatomy import MidPlane
from memoryguard.processor.domain.image import Grid, cut, overlap, sample_field
from memoryguard.processor.domain.labels import LEFT_RIGHT, MIDLINE, number_of

FINE: Final = 2
"""The whole-head probabilities are interpolated to a grid this many times finer."""
RETURN_TO: Final = {"csf": 24, "outside": 24}


@dataclass(frozen=True, slots=True)
class Soft:
    """Class probabilities (classes, i, j, k) on a grid, in the order of `names`."""

    names: tuple[str, ...]
    probability: NDArray[np.float32]
    grid: Grid

    def of(self, name: str) -> NDArray[np.float32]:
        """One class."""
        return self.probability[self.names.index(name)]

    def volume_mm3(self, *names: str) -> float:
        """Soft volume of classes: the sum of their probabilities times the cell's volume."""
        total = sum(float(self.of(name).sum(dtype=np.float64)) for name in names)
        return total * self.grid.voxel_volume_mm3


def whole_labels(soft: Soft, plane: MidPlane) -> tuple[NDArray[np.int16], Grid]:
    """Label the brain: interpolate, take the likeliest class, split at the mid-plane.

    Only the box that holds the brain and the fluid around it is worked out.
    """
    outside = [i for i, name in enumerate(soft.names) if number_of(name, 0) == 0]
    inside = np.nonzero(soft.probability[outside].sum(0) < 0.9)
    if inside[0].size == 0:
        return np.zeros(soft.grid.shape, np.int16), soft.grid
    i, j, k = (slice(max(int(a.min()) - 1, 0), int(a.max()) + 2) for a in inside)
    coarse = cut(soft.grid, _clipped((i, j, k), soft.grid.shape))
    fine = finer(coarse, FINE)
    best = sample_field(soft.probability[outside].sum(0), soft.grid.ras_from_ijk, fine)
    winner = np.full(fine.shape, outside[0], np.uint8)
    for number in range(len(soft.names)):
        if number not in outside:
            value = sample_field(soft.probability[number], soft.grid.ras_from_ijk, fine)
            better = value > best
            best[better] = value[better]
            winner[better] = number
    table = np.array([[number_of(name, side) for name in soft.names] for side in (0, 1)], np.int16)
    right = (plane.side(fine.points()) >= 0).astype(np.uint8)
    return table[right, winner], fine


def _clipped(
    part: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    i, j, k = (slice(s.start, min(s.stop, n)) for s, n in zip(part, shape, strict=True))
    return i, j, k


def finer(grid: Grid, times: int) -> Grid:
    """Return the grid whose cells divide each cell `times` times along every axis."""
    step = np.diag([1 / times, 1 / times, 1 / times, 1.0])
    step[:3, 3] = -(times - 1) / (2 * times)
    i, j, k = (n * times for n in grid.shape)
    return Grid((i, j, k), grid.ras_from_ijk @ step)


def side_labels(soft: Soft, side: int, wanted: tuple[str, ...]) -> NDArray[np.int16]:
    """Label one side's box; -1 where none of the wanted classes is the likeliest.

    Classes that end in ``_other`` belong to the opposite side.
    """
    table = np.full(len(soft.names), -1, np.int16)
    for number, name in enumerate(soft.names):
        base, other = name.removesuffix("_other"), name.endswith("_other")
        if base in wanted and (base in LEFT_RIGHT or base in MIDLINE):
            table[number] = number_of(base, 1 - side if other else side)
    return table[np.argmax(soft.probability, axis=0)]


def _second_choice(soft: Soft, side: int, wanted: tuple[str, ...]) -> NDArray[np.int16]:
    """What a voxel is when it is none of the wanted classes."""
    table = np.full(len(soft.names), -1, np.int16)
    for number, name in enumerate(soft.names):
        if name in RETURN_TO:
            table[number] = RETURN_TO[name]
        elif name not in wanted and (name in LEFT_RIGHT or name in MIDLINE):
            table[number] = number_of(name, side)
    return table[np.argmax(soft.probability, axis=0)]


def paint_whole(onto: NDArray[np.int16], grid: Grid, labels: NDArray[np.int16], own: Grid) -> None:
    """Write a labelled grid into `onto` (nearest neighbour), where the two overlap."""
    part = overlap(grid, own)
    if part is not None:
        onto[part] = sample_field(labels, own.ras_from_ijk, cut(grid, part), order=0)


def paint_side(
    onto: NDArray[np.int16],
    grid: Grid,
    soft: Soft,
    side: int,
    wanted: tuple[str, ...],
    plane: MidPlane,
) -> None:
    """Let one side's box decide about the wanted structures inside it.

    Voxels of the box's own side take the wanted labels; where `onto` holds a wanted label
    that the box does not confirm, they take the box's next likely tissue.
    """
    part = overlap(grid, soft.grid)
    if part is None:
        return
    here = cut(grid, part)
    first = sample_field(
        side_labels(soft, side, wanted), soft.grid.ras_from_ijk, here, order=0, outside=-1
    )
    second = sample_field(
        _second_choice(soft, side, wanted), soft.grid.ras_from_ijk, here, order=0, outside=-1
    )
    distance = plane.side(here.points())
    mine = (distance >= 0) if side == 1 else (distance < 0)
    view = onto[part]
    held = np.isin(view, [number_of(name, side) for name in wanted])
    new = np.where(first >= 0, first, np.where(held & (second >= 0), second, view))
    view[mine] = new[mine]
