# SPDX-License-Identifier: Apache-2.0
"""From a soft structure to a closed surface of triangles that encloses its soft volume.

The probability is blurred a little (no stairs), cut at a level (marching cubes), thinned out
(quadric error), and at last moved along its normals by some hundredths of a millimetre. Blurring
and a level of one half would shrink small structures by a tenth, so the level is the one above
which there is as much space as the probabilities add up to; the last step gives back what the
flat triangles cut off. The surfaces are for looking at: volumes are stated from the
probabilities alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Grid
from memoryguard.processor.domain.topology import one_pair_per_edge, without_folds

SMOOTHING_MM: Final = 0.7
"""Standard deviation of the blur: under a voxel, over the width of a stair."""
SUPPORT: Final = 0.02
"""Where a structure is nowhere likelier than this, its surface is not sought."""
LEAST_MM3: Final = 20.0
"""Less soft volume than this is no structure to be shown."""
LEAST_LEVEL: Final = 0.1
"""A structure whose volume lies under a lower level is a haze without a surface."""
LEAST_STEP: Final = 0.01
"""Voxels closer to the level are moved away from it: by some hundredths of a voxel's width."""
LEAST_PIECE: Final = 0.02
"""Pieces with a smaller share of the structure are specks, and left out."""

MOST_TRIANGLES: Final = 29_900
SHARES: Final = {
    "cortex": 56.0,
    "white": 20.0,
    "cerebellar_cortex": 7.0,
    "cerebellar_white": 4.0,
    "lateral_ventricle": 4.5,
    "hippocampus": 4.0,
    "brainstem": 3.0,
    "caudate": 2.5,
    "thalamus": 2.5,
    "inferior_lateral_ventricle": 2.5,
}
"""Weight of a structure (each side) when the triangles are shared out."""
OTHER_SHARE: Final = 2.0
EAGERNESS: Final = 9
"""Of the thinning: a quarter faster than the library's 7 and as close to the cut (measured)."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed surface, seen from outside.

    Parameters
    ----------
    points_mm
        float32 (n, 3), RAS+ mm.
    normals
        float32 (n, 3), unit length, outward.
    triangles
        int32 (m, 3): indices of points, counter-clockwise as seen from outside.
    level
        The blurred probability at which the structure was cut.
    """

    points_mm: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int32]
    level: float

    @property
    def volume_mm3(self) -> float:
        """Enclosed volume."""
        points = self.points_mm.astype(np.float64)
        return float((points * _vertex_areas(points, self.triangles)).sum()) / 3.0


def stem(name: str) -> str:
    """Name of a structure without its side."""
    return name.removesuffix("_left").removesuffix("_right")


def shared_out(names: list[str], most: int = MOST_TRIANGLES) -> dict[str, int]:
    """Triangles for each structure, by the table of `SHARES`; together at most `most`."""
    weights = {name: SHARES.get(stem(name), OTHER_SHARE) for name in names}
    total = sum(weights.values())
    return {name: int(most * weight / total) for name, weight in weights.items()}


def surface(probability: NDArray[np.float32], grid: Grid, most_triangles: int) -> Surface | None:
    """Make the surface of one structure.

    Parameters
    ----------
    probability
        float32 (i, j, k) of `grid`, 0..1, partial volume included.
    grid
        May be turned, mirrored and anisotropic. What it cuts off is closed with a flat end.
    most_triangles
        At least some dozens.

    Returns
    -------
    Surface or None
        None where there is less than `LEAST_MM3` of the structure, or only haze.
    """
    total_mm3 = float(probability.sum(dtype=np.float64)) * grid.voxel_volume_mm3
    if total_mm3 < LEAST_MM3:
        return None
    field, ras_from_ijk = _blurred(probability, grid)
    cells = total_mm3 / grid.voxel_volume_mm3
    level = _level(_without_specks(field, _level(field, cells)), cells)
    if level < LEAST_LEVEL:
        return None
    points, triangles = _cut(field, level, ras_from_ijk)
    points, triangles = _thinned(points, triangles, most_triangles)
    points = _enclosing(points, triangles, total_mm3)
    normals = _unit(_vertex_areas(points, triangles))
    return Surface(points.astype(np.float32), normals.astype(np.float32), triangles, level)


def _blurred(
    probability: NDArray[np.float32], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Crop to the structure, set zeros around it and blur; the field and its ``ras_from_ijk``.

    There are more zeros than the blur reaches, so the outermost layer stays empty and every
    surface closes, also where the grid cuts the structure.
    """
    from scipy import ndimage

    sigma = SMOOTHING_MM / np.linalg.norm(grid.ras_from_ijk[:3, :3], axis=0)
    pad = np.ceil(3.0 * sigma).astype(int) + 1
    seen = probability > SUPPORT
    box: list[slice] = []
    for axis in range(3):
        along = np.flatnonzero(seen.any(axis=tuple({0, 1, 2} - {axis})))
        first, last = (int(along[0]), int(along[-1])) if along.size else (0, 0)
        box.append(slice(first, last + 1))
    padded = np.pad(probability[tuple(box)], [(int(n), int(n)) for n in pad])
    blur: Any = ndimage.gaussian_filter
    field: NDArray[np.float32] = blur(padded, sigma, mode="constant", truncate=3.0)
    ras_from_ijk = grid.ras_from_ijk.copy()
    ras_from_ijk[:3, 3] += ras_from_ijk[:3, :3] @ (np.array([s.start for s in box]) - pad)
    return field, ras_from_ijk


def _level(field: NDArray[np.float32], cells: float) -> float:
    """Value that `cells` of the field's voxels exceed or reach."""
    inside = round(cells)
    if not 0 < inside <= field.size:
        return 0.0
    return float(np.partition(field, field.size - inside, axis=None)[field.size - inside])


def _without_specks(field: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Set small pieces over the level to zero, in place."""
    from scipy import ndimage

    labelled: Any = ndimage.label(field > level)
    pieces: NDArray[np.int32] = labelled[0]
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    small = sizes < LEAST_PIECE * sizes.sum()
    small[0] = False
    if small.any():
        field[small[pieces]] = 0.0
    return field


def _cut(
    field: NDArray[np.float32], level: float, ras_from_ijk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Cut a field that is zero all around at a level; world points and outward triangles.

    Lewiner et al., J Graphics Tools 8:1 (2003): marching cubes without holes.
    """
    from skimage import measure

    # A voxel at the very level would make triangles without area, which nothing can thin out.
    close = np.abs(field - level) < LEAST_STEP
    field = np.where(close, np.where(field >= level, level + LEAST_STEP, level - LEAST_STEP), field)
    march: Any = measure.marching_cubes
    ijk, triangles, _, _ = march(field, level, gradient_direction="ascent")
    points = ijk.astype(np.float64) @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    if np.linalg.det(ras_from_ijk[:3, :3]) < 0:
        triangles = triangles[:, ::-1]
    return points, np.ascontiguousarray(triangles, np.int32)


def _thinned(
    points: NDArray[np.float64], triangles: NDArray[np.int32], most: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Take away triangles where they matter least, until at most `most` are left.

    Garland and Heckbert, SIGGRAPH 1997. Thin walls may collapse to folds and to edges that more
    than two triangles share; both are mended, which costs a few triangles.
    """
    import fast_simplification

    simplify: Any = fast_simplification.simplify
    goal = most
    while True:
        if len(triangles) > goal:
            points, triangles = simplify(points, triangles, target_count=goal, agg=EAGERNESS)
        mended = one_pair_per_edge(points, without_folds(triangles))
        if len(mended[1]) <= most or goal < most // 2:
            return mended
        goal -= len(mended[1]) - most + 2


def _enclosing(
    points: NDArray[np.float64], triangles: NDArray[np.int32], volume_mm3: float
) -> NDArray[np.float64]:
    """Move all points along their normals, by one distance, so that the volume is the wanted one.

    Newton's method: a point moved along its normal adds volume at the rate of its area.
    """
    centre = points.mean(axis=0)
    moved = points - centre
    for _ in range(3):
        areas = _vertex_areas(moved, triangles)
        missing = volume_mm3 - float((moved * areas).sum()) / 3.0
        moved = moved + missing / float(np.linalg.norm(areas, axis=1).sum()) * _unit(areas)
    return moved + centre


def _vertex_areas(points: NDArray[np.float64], triangles: NDArray[np.int32]) -> NDArray[np.float64]:
    """Gradient of the enclosed volume by each point, (n, 3) mm2: a third of its triangles."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    area = np.cross(b - a, c - a) / 6.0
    corners = triangles.ravel()
    sums: Any = [np.bincount(corners, np.repeat(part, 3), len(points)) for part in area.T]
    return np.stack(sums, axis=1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (n, 3) at length 1; upward where there is no direction."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])
