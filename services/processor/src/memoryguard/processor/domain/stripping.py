# SPDX-License-Identifier: Apache-2.0
"""What of a scan may be shown: the brain and a thin rim, never the face.

A T1 shows a face. Everything that leaves the processor to be looked at goes through
`one_brain`: where what was found is not one brain of a plausible size, nothing is shown.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Grid, Image, cut, grid_of, overlap, sample_field

MARGIN_MM: Final = 2.0
"""How far past the brain it is shown. Chosen, not measured.

The lattice's voxels are half as wide: with less, the border would be ragged. Fluid, bone and
scalp lie between brain and face, so a rim this thin shows neither scalp nor eyes.
"""
PLAUSIBLE_BRAIN_MM3: Final = (500_000.0, 2_200_000.0)
"""What is found outside these cannot be one whole adult brain, so it cannot strip a skull."""
MIN_ONE_PIECE: Final = 0.95
BRIDGE_MM: Final = 3.0
"""What hangs on the brain by less than this is not brain: an optic nerve leads to an eye."""

Box = tuple[slice, slice, slice]


def one_brain(
    found: NDArray[np.bool_], ras_from_ijk: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return the one brain in what was found as brain, or None.

    Parameters
    ----------
    found
        bool (i, j, k).
    ras_from_ijk
        Affine of its grid, RAS+ mm.

    Returns
    -------
    ndarray or None
        bool (i, j, k): the largest piece, without what hangs on it by a thread. None when that
        has not the volume of a brain, or when more than a twentieth of what was found lies
        elsewhere, maybe on the face.
    """
    from scipy import ndimage

    box = _box(found, 1)
    near = found[box]
    if near.all():
        return None  # nothing around it: no brain's shape
    spacing_mm = np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    deep_mm = BRIDGE_MM / 2 + float(spacing_mm.max()) / 2  # depths end in the next voxel's centre
    labelled: Any = ndimage.label(_depth_mm(near, spacing_mm) > deep_mm)
    pieces: NDArray[np.int32] = labelled[0]
    sizes = np.bincount(pieces.ravel())
    if sizes.size < 2:
        return None
    core = pieces == int(sizes[1:].argmax()) + 1
    reach_mm = BRIDGE_MM + float(np.linalg.norm(spacing_mm))
    kept = near & (_depth_mm(~core, spacing_mm) <= reach_mm)
    volume_mm3 = float(kept.sum()) * float(abs(np.linalg.det(ras_from_ijk[:3, :3])))
    low, high = PLAUSIBLE_BRAIN_MM3
    if not low < volume_mm3 < high or kept.sum() < MIN_ONE_PIECE * near.sum():
        return None
    brain = np.zeros_like(found)
    brain[box] = kept
    return brain


def with_rim(brain: NDArray[np.bool_], ras_from_ijk: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the brain without holes, and `MARGIN_MM` around it."""
    from scipy import ndimage

    spacing_mm = np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    box = _box(brain, int(np.ceil(MARGIN_MM / spacing_mm.min())) + 1)
    fill: Any = ndimage.binary_fill_holes
    shown = np.zeros_like(brain)
    shown[box] = _depth_mm(~fill(brain[box]), spacing_mm) <= MARGIN_MM
    return shown


def stripped(
    image: Image, probability: NDArray[np.float32], grid: Grid
) -> NDArray[np.float32] | None:
    """Set everything of a scan outside the brain to zero.

    Parameters
    ----------
    image
        The scan.
    probability
        float32 (i, j, k) of `grid`, 0..1: brain with its ventricles, without the fluid around.
    grid
        Any lattice in the world; about 1 mm.

    Returns
    -------
    ndarray or None
        float32 on the scan's own grid; None where nothing may be shown (see `one_brain`).
    """
    brain = one_brain(probability > 0.5, grid.ras_from_ijk)
    if brain is None:
        return None
    rim = with_rim(brain, grid.ras_from_ijk)
    box = _box(rim, 1)
    part = cut(grid, box)
    where = overlap(grid_of(image), part)
    if where is None:
        return None
    mask = sample_field(rim[box].astype(np.float32), part.ras_from_ijk, cut(grid_of(image), where))
    voxels = np.zeros(image.voxels.shape, np.float32)
    voxels[where] = np.where(mask >= 0.5, image.voxels[where], 0.0)
    return voxels


def _depth_mm(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of every voxel of the mask to the nearest one outside it; 0 outside."""
    from scipy import ndimage

    measured: Any = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    distance_mm: NDArray[np.float64] = measured
    return distance_mm


def _box(mask: NDArray[np.bool_], margin: int) -> Box:
    """Index range of what is set, with some voxels around; the first voxel where nothing is."""
    ranges: list[slice] = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        first, last = (int(along[0]), int(along[-1])) if along.size else (0, 0)
        ranges.append(slice(max(first - margin, 0), last + margin + 1))
    i, j, k = ranges
    return i, j, k
