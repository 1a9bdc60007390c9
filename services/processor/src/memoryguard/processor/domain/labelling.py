# SPDX-License-Identifier: Apache-2.0
"""One label map on the scan's own grid, out of soft structures on the head's lattice."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.head import Part
from memoryguard.processor.domain.image import Grid, cut, overlap, sample_field
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


def label(parts: dict[str, Part], lattice: Grid, onto: Grid) -> NDArray[np.int16]:
    """Likeliest structure of every voxel, ventricles weighing less (see `WEIGHT`).

    Parameters
    ----------
    parts
        A joint distribution; ``outside`` among them.
    lattice
        Where the parts lie.
    onto
        The scan's grid.

    Returns
    -------
    ndarray
        int16 (i, j, k) of `onto`: FreeSurfer's numbers, 0 outside the brain's fluid.
    """
    labels = np.zeros(onto.shape, np.int16)
    best = np.full(onto.shape, LEAST, np.float32)
    outside = parts["outside"]
    _sample_over(best, outside, lattice, onto)
    frame_x = np.linalg.inv(lattice.ras_from_ijk) @ onto.ras_from_ijk
    middle = (lattice.shape[0] - 1) / 2
    for name, part in parts.items():
        structure, side = split_side(name)
        cropped = None if name == "outside" else _support(part)
        if cropped is None or (where := overlap(onto, cropped.grid(lattice))) is None:
            continue
        value = sample_field(cropped.probability, cropped.grid(lattice).ras_from_ijk,
                             cut(onto, where))  # fmt: skip
        value *= WEIGHT.get(structure, 1.0)
        better = value > best[where]
        best[where][better] = value[better]
        if side is None:
            numbers = np.array([number_of(structure, 0), number_of(structure, 1)], np.int16)
            if numbers[0] == numbers[1]:
                labels[where][better] = numbers[0]
            else:
                ijk = np.nonzero(better)
                at = [axis + s.start for axis, s in zip(ijk, where, strict=True)]
                x = frame_x[0, 0] * at[0] + frame_x[0, 1] * at[1] + frame_x[0, 2] * at[2]
                labels[where][ijk] = numbers[(x + frame_x[0, 3] >= middle).astype(int)]
        else:
            labels[where][better] = number_of(structure, 0 if side == "left" else 1)
    return labels


def _sample_over(best: NDArray[np.float32], part: Part, lattice: Grid, onto: Grid) -> None:
    where = overlap(onto, part.grid(lattice))
    if where is not None:
        value = sample_field(part.probability, part.grid(lattice).ras_from_ijk, cut(onto, where))
        np.maximum(best[where], value, out=best[where])
