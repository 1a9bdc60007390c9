# SPDX-License-Identifier: Apache-2.0
"""A volume in the world: voxels, where they lie, and other grids over the same world."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How several things are done: one after the other by `map`, or side by side by an executor's."""
SLABS: Final = 4
"""Of a grid that is read by several threads; the same for any number of them."""
TRUNCATE: Final = 2.5
"""Standard deviations after which a blur's kernel ends."""


@dataclass(frozen=True, slots=True)
class Image:
    """A scalar volume.

    Parameters
    ----------
    voxels
        float32, axes (i, j, k).
    ras_from_ijk
        float64 (4, 4): voxel centres to world coordinates, RAS+, mm.
    """

    voxels: NDArray[np.float32]
    ras_from_ijk: NDArray[np.float64]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j and k."""
        i, j, k = np.linalg.norm(self.ras_from_ijk[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(abs(np.linalg.det(self.ras_from_ijk[:3, :3])))


@dataclass(frozen=True, slots=True)
class Grid:
    """A lattice of points in the world: `shape` and ``ras_from_ijk`` as in `Image`."""

    shape: tuple[int, int, int]
    ras_from_ijk: NDArray[np.float64]

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one cell."""
        return float(abs(np.linalg.det(self.ras_from_ijk[:3, :3])))

    def points(self) -> NDArray[np.float64]:
        """World coordinates (3, i, j, k) of the lattice, RAS+ mm."""
        ijk = np.indices(self.shape, dtype=np.float64)
        rotated = np.tensordot(self.ras_from_ijk[:3, :3], ijk, axes=1)
        return rotated + self.ras_from_ijk[:3, 3][:, None, None, None]


def grid_of(image: Image) -> Grid:
    """Return the grid the image itself lies on."""
    i, j, k = image.voxels.shape
    return Grid((i, j, k), image.ras_from_ijk)


def box(
    centre_mm: NDArray[np.float64],
    shape: tuple[int, int, int],
    spacing_mm: float,
    *,
    mirrored: bool = False,
) -> Grid:
    """Return a grid along the world axes around `centre_mm`.

    A mirrored grid runs from right to left along its first axis, so that a right
    hemisphere read through it looks like a left one.
    """
    step = np.array([-spacing_mm if mirrored else spacing_mm, spacing_mm, spacing_mm])
    ras_from_ijk = np.diag([*step, 1.0])
    ras_from_ijk[:3, 3] = centre_mm - step * (np.array(shape) - 1) / 2
    return Grid(shape, ras_from_ijk)


def to_ras(image: Image) -> Image:
    """Permute and flip the axes to the nearest RAS+ order; no voxel's place changes.

    The assignment takes the axis pair with the largest direction cosine first.
    """
    cosines = np.abs(image.ras_from_ijk[:3, :3]) / np.array(image.spacing_mm)
    source = [0, 0, 0]
    for _ in range(3):
        world, axis = np.unravel_index(int(np.argmax(cosines)), (3, 3))
        source[int(world)] = int(axis)
        cosines[world, :] = -1.0
        cosines[:, axis] = -1.0
    voxels = image.voxels.transpose(source)
    matrix = image.ras_from_ijk.copy()
    matrix[:3, :3] = matrix[:3, source]
    for axis in range(3):
        if matrix[axis, axis] < 0:
            voxels = np.flip(voxels, axis)
            matrix[:3, 3] += matrix[:3, axis] * (voxels.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return Image(np.ascontiguousarray(voxels), matrix)


def smoothed(image: Image, spacing_mm: float, each: Each = map) -> Image:
    """Blur before sampling at `spacing_mm`, along those axes that are finer than that.

    The kernel is a Gaussian with 0.35 of the missing width (quadrature), between the
    standard deviation of a box one sample wide (0.289) and half-width matching (0.425).
    Done in slabs across the first axis; `each` may be an executor's `map`.
    """
    from scipy import ndimage

    own = np.array(image.spacing_mm)
    sigma = 0.35 * np.sqrt(np.clip(spacing_mm**2 - own**2, 0.0, None)) / own
    if not np.any(sigma > 0.2):
        return image
    reach = int(np.ceil(TRUNCATE * sigma[0])) + 1

    def blur(ends: tuple[int, int]) -> NDArray[np.float32]:
        start, stop = ends
        first = max(start - reach, 0)
        near = image.voxels[first : stop + reach]
        blurred: Any = ndimage.gaussian_filter(near, tuple(sigma), truncate=TRUNCATE)
        return cast("NDArray[np.float32]", blurred[start - first : stop - first])

    slabs = list(each(blur, _slabs(len(image.voxels))))
    return Image(np.concatenate(slabs), image.ras_from_ijk)


def sample(image: Image, grid: Grid, *, order: int = 1, outside: float = 0.0) -> NDArray[Any]:
    """Read the image at the points of `grid` (trilinear for order 1, nearest for 0).

    Points outside the image get `outside`; the result has the voxels' dtype.
    """
    return sample_field(image.voxels, image.ras_from_ijk, grid, order=order, outside=outside)


def sample_field(
    field: NDArray[Any],
    ras_from_ijk: NDArray[np.float64],
    grid: Grid,
    *,
    order: int = 1,
    outside: float = 0.0,
) -> NDArray[Any]:
    """Read any array that lies in the world at the points of `grid` (see `sample`)."""
    from scipy import ndimage

    step = np.linalg.inv(ras_from_ijk) @ grid.ras_from_ijk
    transform: Any = ndimage.affine_transform
    moved: Any = transform(
        field,
        step[:3, :3],
        step[:3, 3],
        output_shape=grid.shape,
        order=order,
        mode="constant",
        cval=outside,
        prefilter=False,
    )
    return cast("NDArray[Any]", moved)


def overlap(image_grid: Grid, part: Grid) -> tuple[slice, slice, slice] | None:
    """Index range of `image_grid` that holds all of `part`; None when they do not meet."""
    corners = np.array([[c * (n - 1) for c, n in zip(bits, part.shape, strict=True)]
                        for bits in np.ndindex(2, 2, 2)])  # fmt: skip
    step = np.linalg.inv(image_grid.ras_from_ijk) @ part.ras_from_ijk
    at = corners @ step[:3, :3].T + step[:3, 3]
    low = np.maximum(np.floor(at.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(at.max(0)).astype(int) + 1, image_grid.shape)
    if np.any(low >= high):
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k


def cut(grid: Grid, part: tuple[slice, slice, slice]) -> Grid:
    """Return the sub-grid of an index range."""
    start = np.array([s.start for s in part], np.float64)
    matrix = grid.ras_from_ijk.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    i, j, k = (s.stop - s.start for s in part)
    return Grid((i, j, k), matrix)


def in_slabs(read: Callable[[Grid], NDArray[Any]], grid: Grid, each: Each = map) -> NDArray[Any]:
    """Read a grid in slabs across its first axis; `each` may be an executor's `map`."""
    j, k = (slice(0, n) for n in grid.shape[1:])
    parts = [cut(grid, (slice(a, b), j, k)) for a, b in _slabs(grid.shape[0])]
    return np.concatenate(list(each(read, parts)))


def _slabs(length: int) -> list[tuple[int, int]]:
    """First and one past the last index of each slab along an axis."""
    return list(pairwise(sorted({length * n // SLABS for n in range(SLABS + 1)})))


def surroundings(image: Image, grid: Grid, margin_mm: float) -> Image:
    """Cut out the part of the image that holds `grid` and `margin_mm` around it.

    The whole image when the two do not meet.
    """
    own = grid_of(image)
    part = overlap(own, grid)
    if part is None:
        return image
    reach = [int(np.ceil(margin_mm / s)) for s in image.spacing_mm]
    i, j, k = (
        slice(max(s.start - r, 0), min(s.stop + r, n))
        for s, r, n in zip(part, reach, own.shape, strict=True)
    )
    here = cut(own, (i, j, k))
    return Image(image.voxels[i, j, k], here.ras_from_ijk)
