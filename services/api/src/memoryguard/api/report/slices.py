# SPDX-License-Identifier: Apache-2.0
"""Three slices through the hippocampi, structures in colour, as radiologists look at them.

The person's right is on the left of the picture. The scan that is drawn has no skull, so no face
is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryguard.api.report.files import Volume

Colour = tuple[int, int, int]

PIXEL_MM = 0.5
AIR_MM = 4.0
EVERY = 3
"""One voxel in so many along each axis says how bright the scan is."""
FILLED = 0.45
HIPPOCAMPI = (17, 53)
CORTEX = (3, 42)

# Okabe and Ito's colours, told apart under every kind of colour blindness.
STRUCTURES: Mapping[str, tuple[tuple[int, ...], Colour]] = {
    "Hippocampus": (HIPPOCAMPI, (230, 159, 0)),
    "Amygdala": ((18, 54), (0, 158, 115)),
    "Lateral ventricles": ((4, 43, 5, 44), (86, 180, 233)),
    "Third ventricle": ((14,), (240, 228, 66)),
    "Thalamus": ((10, 49), (204, 121, 167)),
    "Caudate, putamen, pallidum": ((11, 50, 12, 51, 13, 52), (0, 114, 178)),
    "Cortex (outline)": (CORTEX, (213, 94, 0)),
}
"""Label numbers (FreeSurferColorLUT) and colour of what is drawn over the scan."""

# By name: the world axes (R, A, S) across and up, and the letters at the left and right edge.
VIEWS = {
    "Axial": (0, 1, "R", "L"),
    "Coronal": (0, 2, "R", "L"),
    "Sagittal, left side": (1, 2, "A", "P"),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice as a picture.

    Parameters
    ----------
    name
        Its plane.
    rgb
        uint8 (rows, columns, 3), black outside the brain.
    at_mm
        Where it lies on the axis through it, RAS.
    left, right
        Which side of the person lies at these edges.
    """

    name: str
    rgb: NDArray[np.uint8]
    at_mm: float
    left: str
    right: str


def draw(brain: Volume, labels: Volume) -> list[Slice]:
    """Draw the three slices; none where there is no label."""
    low, high = _box_mm(labels)
    if np.any(high <= low):
        return []
    centres = [_centre_mm(labels, number) for number in HIPPOCAMPI]
    left = next((each for each in centres if each is not None), (low + high) / 2)
    found = [each for each in centres if each is not None] or [left]
    middle = np.mean(found, axis=0)
    white = 1.1 * float(np.percentile(brain.voxels[::EVERY, ::EVERY, ::EVERY], 99.7)) or 1.0
    drawn: list[Slice] = []
    for name, (across, up, *sides) in VIEWS.items():
        centre = left if name.startswith("Sagittal") else middle
        points = _plane_mm(low, high, centre, across, up)
        grey = np.clip(_between(brain, points) / white, 0, 1)
        rgb = _overlaid(grey, _nearest(labels, points))
        through = ({0, 1, 2} - {across, up}).pop()
        drawn.append(Slice(name, rgb, float(centre[through]), *sides))
    return drawn


def _box_mm(labels: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the labelled box in the world, with a little air."""
    inside = labels.voxels > 0
    along = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not along[0].size:
        return np.zeros(3), np.zeros(3)
    ends = _world(labels, np.array([(each[0], each[-1]) for each in along]).T)
    return ends.min(axis=0) - AIR_MM, ends.max(axis=0) + AIR_MM


def _centre_mm(labels: Volume, number: int) -> NDArray[np.float64] | None:
    index = np.argwhere(labels.voxels == number)
    return _world(labels, index.mean(axis=0)) if len(index) else None


def _world(volume: Volume, index: NDArray[Any]) -> NDArray[np.float64]:
    return index @ volume.ras_from_ijk[:3, :3].T + volume.ras_from_ijk[:3, 3]


def _plane_mm(
    low: NDArray[np.float64], high: NDArray[np.float64], centre: NDArray[np.float64],
    across: int, up: int,
) -> NDArray[np.float64]:  # fmt: skip
    """World points (rows, columns, 3) of a plane: from the person's right or front, from above."""
    columns = np.arange(low[across], high[across], PIXEL_MM)[::-1]
    rows = np.arange(low[up], high[up], PIXEL_MM)[::-1]
    points = np.empty((rows.size, columns.size, 3))
    points[:] = centre
    points[..., across] = columns
    points[..., up] = rows[:, None]
    return points


def _index(volume: Volume, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    ijk_from_ras = np.linalg.inv(volume.ras_from_ijk)
    return points_mm @ ijk_from_ras[:3, :3].T + ijk_from_ras[:3, 3]


def _at(volume: Volume, index: NDArray[np.int64]) -> NDArray[Any]:
    """Read voxels by index; zero outside."""
    inside = np.all((index >= 0) & (index < volume.voxels.shape), axis=-1)
    i, j, k = np.moveaxis(np.where(np.expand_dims(inside, -1), index, 0), -1, 0)
    return np.where(inside, volume.voxels[i, j, k], 0)


def _nearest(volume: Volume, points_mm: NDArray[np.float64]) -> NDArray[Any]:
    return _at(volume, np.rint(_index(volume, points_mm)).astype(np.int64))


def _between(volume: Volume, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate between the eight voxels around each point."""
    index = _index(volume, points_mm)
    first = np.floor(index).astype(np.int64)
    share = index - first
    found = np.zeros(index.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=-1)
        found += weight * _at(volume, first + corner)
    return found


def _overlaid(grey: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.uint8]:
    rgb = np.repeat(grey[..., None] * 255, 3, axis=-1)
    for numbers, colour in STRUCTURES.values():
        inside = np.isin(labels, numbers)
        edge = inside & ~_within(inside)
        cover = 0.7 * edge if numbers == CORTEX else FILLED * inside + FILLED * edge
        rgb += cover[..., None] * (np.array(colour) - rgb)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _within(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which pixels have all four neighbours inside, too."""
    framed = np.pad(inside, 1)
    return np.logical_and.reduce(list(_moved(framed)))


def _moved(framed: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    rows, columns = framed.shape
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        yield framed[down : rows - 2 + down, right : columns - 2 + right]
