# SPDX-License-Identifier: Apache-2.0
"""One label map on the scan's own grid, out of soft structures on the head's lattice."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.head import Part
from memoryguard.processor.domain.image import Each, Grid, cut, in_slabs, overlap, sample_field
from memoryguard.processor.domain.labels import number_of

LEAST = 0.02
"""Below this probability a structure does not label a voxel."""
WEIGHT: Final = {"lateral_ventricle": 0.5, "inferior_lateral_ventricle": 0.5}
"""These label a voxel only where they are twice as likely as anything else: FreeSurfer's border of
ventricles lies inside the half-way grey value. Chosen on its output for three subjects, which
benchmarks/segmentation.py names; on each alone a half is better than one."""


def split_side(name: str) -> tuple[str, str | None]:
    """``thalamus_left`` -> (``thalamus``, ``left``); others have no side in their name."""
    for side in ("left", "right"):
        if name.endswith(f"_{side}"):
            return name.removesuffix(f"_{side}"), side
    return name, None


def _support(part: Part) -> Part | None:
    """Crop a structure to where it may label a voxel, with one voxel to interpolate."""
    mask = part.probability > LEAST
    ranges: list[slice] = []
    for axis, whole in enumerate(part.box):
        along = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        if along.size == 0:
            return None
        first, last = max(int(along[0]) - 1, 0), min(int(along[-1]) + 2, mask.shape[axis])
        ranges.append(slice(whole.start + first, whole.start + last))
    i, j, k = ranges
    inner = tuple(
        slice(r.start - b.start, r.stop - b.start) for r, b in zip(ranges, part.box, strict=True)
    )
    return Part(part.probability[inner], (i, j, k))


def label(parts: dict[str, Part], lattice: Grid, onto: Grid, each: Each = map) -> NDArray[np.int16]:
    """Likeliest structure of every voxel, ventricles weighing less (see `WEIGHT`).

    Parameters
    ----------
    parts
        A joint distribution; ``outside`` among them.
    lattice
        Where the parts lie.
    onto
        The scan's grid.
    each
        How its slabs are labelled.

    Returns
    -------
    ndarray
        int16 (i, j, k) of `onto`: FreeSurfer's numbers, 0 outside the brain's fluid.
    """
    cropped = {name: _support(part) for name, part in parts.items() if name != "outside"}
    found = {name: part for name, part in cropped.items() if part is not None}
    outside = parts["outside"]
    return in_slabs(lambda slab: _label(found, outside, lattice, slab), onto, each)


def _label(found: dict[str, Part], outside: Part, lattice: Grid, onto: Grid) -> NDArray[np.int16]:
    labels = np.zeros(onto.shape, np.int16)
    best = np.full(onto.shape, LEAST, np.float32)
    _sample_over(best, outside, lattice, onto)
    for name, part in found.items():
        where = overlap(onto, part.grid(lattice))
        if where is None:
            continue
        structure, side = split_side(name)
        place = part.grid(lattice).ras_from_ijk
        value = sample_field(part.probability, place, cut(onto, where))
        value *= WEIGHT.get(structure, 1.0)
        better = value > best[where]
        best[where][better] = value[better]
        if side is None:
            labels[where][better] = _sided(structure, lattice, cut(onto, where), better)
        else:
            labels[where][better] = number_of(structure, 0 if side == "left" else 1)
    return labels


def _sided(
    structure: str, lattice: Grid, onto: Grid, which: NDArray[np.bool_]
) -> NDArray[np.int16]:
    """Number (n,) of every voxel of `which`: by its side where the structure has two."""
    numbers = np.array([number_of(structure, 0), number_of(structure, 1)], np.int16)
    x = (np.linalg.inv(lattice.ras_from_ijk) @ onto.ras_from_ijk)[0]
    ijk = np.nonzero(which)
    at = x[0] * ijk[0] + x[1] * ijk[1] + x[2] * ijk[2] + x[3]
    return numbers[(at >= (lattice.shape[0] - 1) / 2).astype(int)]


def _sample_over(best: NDArray[np.float32], part: Part, lattice: Grid, onto: Grid) -> None:
    where = overlap(onto, part.grid(lattice))
    if where is not None:
        value = sample_field(part.probability, part.grid(lattice).ras_from_ijk, cut(onto, where))
        np.maximum(best[where], value, out=best[where])
