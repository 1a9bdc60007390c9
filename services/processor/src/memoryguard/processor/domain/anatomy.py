# SPDX-License-Identifier: Apache-2.0
"""Where the structures lie: mid-plane, sides, and the fit to a reference arrangement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PAIRED: Final = (
    "cerebellar_white",
    "cerebellar_cortex",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
    "hippocampus",
    "amygdala",
)
"""Pairs that together are wider than long.

Of a pair longer than wide (cortex, white matter, lateral ventricles) a plane that is a little
turned cuts off halves whose middles are turned by more: fitting planes to them runs away.
"""
MIDLINE: Final = ("third_ventricle", "fourth_ventricle", "brainstem")
LEAST_POINTS: Final = 8
LEAST_MM3: Final = 200.0
"""A structure with less soft volume than this has no usable centroid."""
LEAST_WEIGHT: Final = 1e-4
"""Voxels with less of all pairs together are left out when the mid-plane is sought, for speed."""


@dataclass(frozen=True, slots=True)
class MidPlane:
    """Points x with ``normal . x == offset_mm``; the normal points to the right."""

    normal: NDArray[np.float64]
    offset_mm: float

    def side(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distance (mm) of points (3, ...); positive on the right."""
        distance: NDArray[np.float64] = np.tensordot(self.normal, points_mm, axes=1)
        return distance - self.offset_mm


def centroid(weight: NDArray[np.floating], points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of points (3, ...); NaN where there is no weight."""
    total = float(weight.sum())
    if total <= 0.0:
        return np.full(3, np.nan)
    mean: NDArray[np.float64] = np.tensordot(points_mm, weight, axes=weight.ndim) / total
    return mean


def _with_ones(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (3, n) as (n, 4): weights times these are sums of places, and of the weights."""
    return np.concatenate([points_mm, np.ones((1, points_mm.shape[1]))]).T


def mid_plane(
    soft: dict[str, NDArray[np.float32]],
    points_mm: NDArray[np.float64],
    start_mm: NDArray[np.float64],
    rounds: int = 8,
) -> MidPlane:
    """Fit the plane that mirrors the paired structures onto themselves.

    Starts at the sagittal plane through `start_mm`; each round splits every structure at
    the plane, then turns the normal to the mean left-to-right direction and moves the
    plane to the median of the pairs' mid-points.
    """
    plane = MidPlane(np.array([1.0, 0.0, 0.0]), float(start_mm[0]))
    weights = np.stack([soft[name].ravel() for name in PAIRED])
    seen = weights.sum(0) > LEAST_WEIGHT
    weights, points_mm = weights[:, seen].astype(np.float64), points_mm.reshape(3, -1)[:, seen]
    places = _with_ones(points_mm)
    total = weights @ places
    for _ in range(rounds):
        left = weights @ (places * (plane.side(points_mm) < 0)[:, None])
        right = total - left
        split = (left[:, 3] > 0) & (right[:, 3] > 0)
        if not split.any():
            return plane
        left, right = (half[split, :3] / half[split, 3:] for half in (left, right))
        normal = (right - left).sum(0)
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        plane = MidPlane(normal, float(np.median((left + right) / 2 @ normal)))
    return plane


def layout(
    soft: dict[str, NDArray[np.float32]],
    points_mm: NDArray[np.float64],
    start_mm: NDArray[np.float64],
    cell_mm3: float,
) -> dict[str, NDArray[np.float64]]:
    """Centroids (RAS+ mm) of soft structures, paired ones with ``_left`` and ``_right``.

    Left and right are told apart by the mid-plane; what is smaller than `LEAST_MM3` is left out.
    """
    flat = points_mm.reshape(3, -1)
    places = _with_ones(flat)
    right = mid_plane(soft, points_mm, start_mm).side(flat) >= 0
    paired = np.stack([soft[name].ravel() for name in PAIRED]).astype(np.float64)
    both, on_right = paired @ places, paired @ (places * right[:, None])
    sums = {
        f"{name}_{side}": total
        for side, totals in (("left", both - on_right), ("right", on_right))
        for name, total in zip(PAIRED, totals, strict=True)
    }
    sums |= {name: soft[name].ravel().astype(np.float64) @ places for name in MIDLINE}
    return {name: s[:3] / s[3] for name, s in sums.items() if s[3] * cell_mm3 >= LEAST_MM3}


@dataclass(frozen=True, slots=True)
class Frame:
    """A head's own coordinates: those of the mean head, x = 0 on the mid-plane.

    Parameters
    ----------
    ras_from_frame
        float64 (4, 4): a rotation, one scale for all axes and a shift (mm to mm).
    residual_mm
        Median distance between the structures and their places in the mean head.
    points
        Structures used.
    """

    ras_from_frame: NDArray[np.float64]
    residual_mm: float
    points: int

    @property
    def found(self) -> bool:
        """Whether there were enough structures to fit."""
        return self.points >= LEAST_POINTS

    @property
    def scale(self) -> float:
        """Size of this head, 1 for the mean one."""
        return float(np.cbrt(np.linalg.det(self.ras_from_frame[:3, :3])))


def similarity(
    source: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least squares rotation, scale and shift between point sets (n, 3), as a (4, 4) matrix.

    Umeyama, IEEE Trans Pattern Anal 13:376 (1991), with weights.
    """
    share = weight / weight.sum()
    source_mean, target_mean = share @ source, share @ target
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd((share[:, None] * b).T @ a)
    handed = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * handed) @ vt
    scale = float(singular @ handed / (share @ (a * a).sum(1)))
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = target_mean - scale * rotation @ source_mean
    return matrix


def frame_of(
    centroids_mm: dict[str, NDArray[np.float64]], reference_mm: dict[str, list[float]]
) -> Frame:
    """Fit the mean head to this one, outliers weighing less.

    Re-weighted ten times by 1 / (1 + (residual / 3 mm)^2) (Cauchy).
    """
    names = sorted(set(centroids_mm) & set(reference_mm))
    if len(names) < LEAST_POINTS:
        return Frame(np.eye(4), float("inf"), len(names))
    source = np.array([reference_mm[name] for name in names])
    target = np.array([centroids_mm[name] for name in names])
    weight = np.ones(len(names))
    matrix, residual = np.eye(4), np.zeros(len(names))
    for _ in range(10):
        matrix = similarity(source, target, weight)
        residual = np.linalg.norm(source @ matrix[:3, :3].T + matrix[:3, 3] - target, axis=1)
        weight = 1.0 / (1.0 + (residual / 3.0) ** 2)
    return Frame(matrix, float(np.median(residual)), len(names))
