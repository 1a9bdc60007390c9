# SPDX-License-Identifier: Apache-2.0
"""Mean cortical thickness of a hemisphere out of its soft (partial-volume) tissue maps.

From points all over the surface between white matter and cortex we walk along the normal,
out to the other side of the cortex and a little back into the white matter, and add up the
probability of cortex on the way: a line integral, in mm. Blur moves probability along such
a line and does not change its sum; a sulcus too narrow to be resolved counts with the share
of fluid that its voxels hold; no surface of the brain against the fluid is needed, which
thin sulci do not have at 1 mm. A walk ends where the nearest point of the surface is no
longer about the one that it came from: there it has crossed the middle of a sulcus (or of a
thin blade of white matter) and would add the cortex of the opposite bank.

The mean goes over the area of the white surface, as FreeSurfer's mean over its vertices
does (Fischl and Dale, PNAS 97:11050 (2000), which however measures the shortest way in both
directions). White matter that borders on anything but cortex (ventricle, deep grey matter,
the cut of the mid-line) has no such surface and does not count.

How it was chosen, and its errors: benchmarks/thickness.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.vocabulary import THICKNESS
from memoryguard.processor.domain.head import Part
from memoryguard.processor.domain.measurement import Measured
from memoryguard.processor.domain.volumes import Line

SMOOTH_MM: Final = 0.7
"""Gaussian on the maps that place the surface (not on what is added up): noise and steps of
single voxels turn the normals otherwise."""
SAME_PLACE_MM: Final = 2.0
"""Two points of the surface closer than this are one place: less than the width of a closed
sulcus between its white banks (two cortices), more than the roughness of a surface at 1 mm."""
OUTWARD_MM: Final = 5.0
"""FreeSurfer's limit of a thickness."""
INWARD_MM: Final = 1.5
STEP_MM: Final = 0.5
GOLDEN: Final = 0.6180339887498949
WALKS: Final = 20_000
"""About so many points are used; the sampling error of the mean is then below 0.3 %
(standard deviation of thickness in one hemisphere about 0.75 mm)."""
PRESENT: Final = 0.02
"""Cortex under this probability does not widen the box that is worked on."""


@dataclass(frozen=True, slots=True)
class Thickness:
    """What was measured in one hemisphere.

    Parameters
    ----------
    mean_mm
        Mean over the area of the white surface that cortex covers.
    surface_mm2
        That area (of the smoothed surface, thus less than FreeSurfer's).
    """

    mean_mm: float
    surface_mm2: float


@dataclass(frozen=True, slots=True)
class Surface:
    """Points (n, 3) in mm from voxel (0, 0, 0), outward unit normals (n, 3), areas (n,) mm2."""

    points_mm: NDArray[np.float64]
    normals: NDArray[np.float64]
    areas_mm2: NDArray[np.float64]

    def thinned(self, count: int) -> Surface:
        """Every so-manieth point, so that about `count` remain; areas are not rescaled."""
        every = slice(None, None, max(1, len(self.points_mm) // count))
        return Surface(self.points_mm[every], self.normals[every], self.areas_mm2[every])


def measure(parts: dict[str, Part], spacing_mm: float, line: Line) -> dict[str, Measured]:
    """Stated thickness with every key of `THICKNESS`.

    Parameters
    ----------
    parts
        Soft structures on one lattice, ``white_left`` and ``cortex_left`` among them.
    spacing_mm
        Edge of the lattice's cubic voxels.
    line
        From what the line integrals give to what is stated, or why nothing is.
    """
    sides = {side: None if line.reason else _side(parts, side, spacing_mm)
             for side in ("left", "right")}  # fmt: skip
    found = {f"cortex_{side}": one.mean_mm for side, one in sides.items() if one}
    both = [one for one in sides.values() if one]
    if len(both) == len(sides):
        area = sum(one.surface_mm2 for one in both)
        found["cortex_mean"] = sum(one.mean_mm * one.surface_mm2 for one in both) / area
    missing = Measured(None, None, line.reason or "no_cortex")
    return {name: line.state(found[name]) if name in found else missing for name in THICKNESS}


def _side(parts: dict[str, Part], side: str, spacing_mm: float) -> Thickness | None:
    white, cortex = (parts[f"{tissue}_{side}"].probability for tissue in ("white", "cortex"))
    return mean_thickness(white, cortex, spacing_mm)


def mean_thickness(
    white: NDArray[np.float32], cortex: NDArray[np.float32], spacing_mm: float
) -> Thickness | None:
    """Measure the mean thickness of one hemisphere's cortex.

    Parameters
    ----------
    white, cortex
        float32 (i, j, k), 0..1: shares of the voxel that are this hemisphere's white matter
        and cortex; everything else is the rest.
    spacing_mm
        Edge of the cubic voxels, about 1.

    Returns
    -------
    Thickness or None
        None where white matter and cortex do not touch.
    """
    box = _box(cortex, round(2.0 / spacing_mm) + 1)
    if box is None:
        return None
    white, cortex = white[box], cortex[box]
    surface = white_surface(white, cortex, spacing_mm)
    area = float(surface.areas_mm2.sum())
    if area <= 0.0:
        return None
    starts = surface.thinned(WALKS)
    lengths = cortex_along_normals(cortex, spacing_mm, starts, surface.points_mm)
    mean = float(lengths @ starts.areas_mm2 / starts.areas_mm2.sum())
    return Thickness(mean, area)


def _box(cortex: NDArray[np.float32], margin: int) -> tuple[slice, ...] | None:
    """Index range that holds the cortex and `margin` voxels around it."""
    present = cortex > PRESENT
    ranges: list[slice] = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(present.any(axis=others))
        if hit.size == 0:
            return None
        ranges.append(slice(max(int(hit[0]) - margin, 0), int(hit[-1]) + margin + 1))
    return tuple(ranges)


def white_surface(
    white: NDArray[np.float32], cortex: NDArray[np.float32], spacing_mm: float
) -> Surface:
    """Find where white matter and cortex are equally likely and nothing else is likelier.

    The points lie where ``white - cortex`` (smoothed) changes sign along the edges of the
    lattice (linear interpolation). An edge along axis i stands for ``spacing^2 |n_i|`` of the
    area: a surface of area A with normal n crosses ``A |n_i| / spacing^2`` such edges, and
    the sum over i of ``n_i^2`` is 1 (stereology: projections of the surface on three planes).
    """
    from scipy import ndimage

    sigma = SMOOTH_MM / spacing_mm
    smooth: Any = ndimage.gaussian_filter
    difference: NDArray[np.float32] = smooth(white - cortex, sigma, truncate=3.0)
    tissue: NDArray[np.float32] = smooth(white + cortex, sigma, truncate=3.0)
    gradient: Any = np.gradient(difference)
    parts = [_crossings(difference, tissue, gradient, axis) for axis in range(3)]
    points, normals, areas = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Surface(points * spacing_mm, normals, areas * spacing_mm**2)


def _crossings(
    difference: NDArray[np.float32],
    tissue: NDArray[np.float32],
    slopes: Sequence[NDArray[np.float32]],
    axis: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points (voxels), normals and areas (voxels squared) on the edges along one axis."""
    count = difference.shape[axis]
    low = tuple(slice(0, count - 1) if a == axis else slice(None) for a in range(3))
    high = tuple(slice(1, count) if a == axis else slice(None) for a in range(3))
    crossed = (difference[low] > 0) != (difference[high] > 0)
    near, far = difference[low][crossed], difference[high][crossed]
    share = near / (near - far)

    def between(field: NDArray[np.float32]) -> NDArray[np.float64]:
        return (field[low][crossed] * (1 - share) + field[high][crossed] * share).astype(np.float64)

    inside = between(tissue) > 0.5
    points = np.argwhere(crossed).astype(np.float64)
    points[:, axis] += share
    normals = -np.stack([between(slope) for slope in slopes], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return points[inside], normals[inside], np.abs(normals[inside, axis])


def cortex_along_normals(
    cortex: NDArray[np.float32],
    spacing_mm: float,
    starts: Surface,
    surface_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Add up the probability of cortex (mm) along the normal through each start.

    `surface_mm` (n, 3) are all points of the surface that `starts` was taken from.
    """
    from scipy.spatial import KDTree

    nearest = KDTree(surface_mm).query
    total = np.zeros(len(starts.points_mm))
    for way in (np.arange(0.0, OUTWARD_MM, STEP_MM), -np.arange(0.0, INWARD_MM, STEP_MM)):
        _walk(cortex, spacing_mm, starts, lambda at: surface_mm[nearest(at)[1]], way, total)
    return total


def _walk(
    cortex: NDArray[np.float32],
    spacing_mm: float,
    starts: Surface,
    nearest: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    way_mm: NDArray[np.float64],
    total_mm: NDArray[np.float64],
) -> None:
    """Go one way until another place of the surface is nearer; adds to `total_mm`.

    Every walk begins a different part of a step away (multiples of the golden ratio, spread
    evenly), so that where walks end is not rounded the same way for all of them.
    """
    from scipy import ndimage

    read: Any = ndimage.map_coordinates
    going = np.arange(len(starts.points_mm))
    direction = np.sign(way_mm[-1]) * starts.normals
    begin = starts.points_mm + direction * (going * GOLDEN % 1.0 * STEP_MM)[:, None]
    for distance in np.abs(way_mm):
        at = begin[going] + distance * direction[going]
        apart = np.linalg.norm(nearest(at) - starts.points_mm[going], axis=1)
        own = apart < SAME_PLACE_MM
        going, at = going[own], at[own]
        if not going.size:
            return
        total_mm[going] += STEP_MM * read(cortex, at.T / spacing_mm, order=1, cval=0.0)
