# SPDX-License-Identifier: Apache-2.0
"""A smooth invertible change of a head, and what it truly does to the structures in it.

The change is stored as a pull-back: what is seen at the point ``y`` of the later scan was at
``y + u(y)`` of the earlier one. Inverting it at the points of a structure and integrating the
Jacobian determinant there gives the structure's true change of volume: computed, not asserted.
All coordinates are MNI152 millimetres, RAS+.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BOX_MIN_MM = (-62, -92, -60)
BOX_MAX_MM = (62, 72, 64)
"""The corners of the box in which anything moves, on the 1 mm grid of the template."""

HIPPOCAMPUS_CENTRE_MM = (26.0, -21.0, -14.0)
"""Right hippocampus in MNI152 space; the left one mirrors it."""

HIPPOCAMPUS_AXIS = (0.0, -0.84, 0.54)
"""Its long axis runs from low in front to high behind."""

HIPPOCAMPUS_SEMI_AXES_MM = (8.0, 19.0, 7.0)
"""Half its width, length and height, for the region over which its change is integrated."""

PLATEAU_SEMI_AXES_MM = (13.0, 26.0, 13.0)
"""Inside, the shrinking is uniform, so that the truth does not hang on the exact border."""

REACH = 1.7
"""The shrinking fades out between 1 and this many plateau radii; the midline stays put."""

HIPPOCAMPUS_SCALE = 0.94
VENTRICLE_PUSH_MM2 = 3.1
VENTRICLE_BLUR_MM = 3.0


@dataclass(frozen=True)
class Deformation:
    """A pull-back displacement on a 1 mm grid.

    Parameters
    ----------
    displacement_mm
        float32, (3, i, j, k): what to add to a later point to find the earlier one.
    corner_mm
        The point of the grid's first voxel.
    """

    displacement_mm: NDArray[np.float32]
    corner_mm: NDArray[np.float64]

    def pull_back(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (3, n) of the later head were in the earlier one."""
        return points_mm + self._sample(self.displacement_mm, points_mm)

    def push_forward(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (3, n) of the earlier head are in the later one.

        The fixed point of y = x - u(y); u contracts strongly, so that few steps reach 1e-6 mm.
        """
        later = points_mm.copy()
        for _ in range(12):
            later = points_mm - self._sample(self.displacement_mm, later)
        return later

    @cached_property
    def jacobian_of_pull_back(self) -> NDArray[np.float32]:
        """The determinant det(I + grad u) on the grid; where it is not positive, space folds."""
        a, b, c = (
            np.stack([np.gradient(part, axis=axis) for axis in range(3)])
            for part in self.displacement_mm
        )
        a[0] += 1
        b[1] += 1
        c[2] += 1
        return (a * np.cross(b, c, axis=0)).sum(0)

    def change_percent(self, points_mm: NDArray[np.float64]) -> float:
        """Return the true change of volume of a region given by evenly spread points (3, n)."""
        jacobian = self.jacobian_of_pull_back
        if jacobian.min() <= 0:
            raise ValueError("the deformation folds: it is not invertible")
        later = self.push_forward(points_mm)
        backward = ndimage.map_coordinates(
            jacobian, later - self.corner_mm[:, None], order=1, mode="nearest"
        )
        return float(100 * (np.mean(1 / backward) - 1))

    def _sample(
        self, field: NDArray[np.float32], points_mm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        index = points_mm - self.corner_mm[:, None]
        return np.stack(
            [ndimage.map_coordinates(p, index, output=np.float64, order=1) for p in field]
        )


def box_points_mm() -> NDArray[np.float32]:
    """Return the coordinates of the box's grid, (3, i, j, k)."""
    axes = [np.arange(a, b + 1) for a, b in zip(BOX_MIN_MM, BOX_MAX_MM, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def hippocampus_radius(
    points_mm: NDArray[np.float32], side: int, semi_axes_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return 1 on the surface of an ellipsoid along the hippocampus of a side (+1 is right)."""
    x, y, z = HIPPOCAMPUS_CENTRE_MM
    offset = points_mm - np.array([side * x, y, z], np.float32)[:, None, None, None]
    _, dy, dz = np.array(HIPPOCAMPUS_AXIS) / np.linalg.norm(HIPPOCAMPUS_AXIS)
    along = offset[1] * dy + offset[2] * dz
    across = offset[1] * dz - offset[2] * dy
    wide, long, high = semi_axes_mm
    return np.sqrt((offset[0] / wide) ** 2 + (along / long) ** 2 + (across / high) ** 2)


def ageing(ventricles: NDArray[np.bool_]) -> Deformation:
    """Return the change that shrinks both hippocampi and pushes the ventricles' walls outwards.

    Parameters
    ----------
    ventricles
        Mask of the lateral ventricles on the box's grid.
    """
    points = box_points_mm()
    displacement = np.zeros_like(points)
    stretch = HIPPOCAMPUS_SCALE ** (-1 / 3) - 1
    for side in (-1, 1):
        radius = hippocampus_radius(points, side, PLATEAU_SEMI_AXES_MM)
        fade = np.clip((REACH - radius) / (REACH - 1), 0, 1)
        weight = fade * fade * (3 - 2 * fade)
        x, y, z = HIPPOCAMPUS_CENTRE_MM
        centre = np.array([side * x, y, z], np.float32)[:, None, None, None]
        displacement += np.float32(stretch) * weight * (points - centre)
    # Towards the inside of the blurred ventricle: a later wall looks back at earlier fluid.
    blurred = ndimage.gaussian_filter(ventricles.astype(np.float32), VENTRICLE_BLUR_MM)
    inwards = np.stack([np.gradient(blurred, axis=axis) for axis in range(3)])
    displacement += np.float32(VENTRICLE_PUSH_MM2) * inwards
    return Deformation(displacement.astype(np.float32), np.array(BOX_MIN_MM, np.float64))
