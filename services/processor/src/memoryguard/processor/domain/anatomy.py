# SPDX-License-Identifier: Apache-2.0
"""Where the structures lie: mid-plane, sides, and the fit to a reference arrangement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PAIRED: Final = (
    "cortex",
    "white",
    "lateral_ventricle",
    "cerebellar_white",
    "cerebellar_cortex",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
    "hippocampus",
    "amygdala",
)
MIDLINE: Final = ("third_ventricle", "fourth_ventricle", "brainstem")
DEEP: Final = ("thalamus", "caudate", "putamen", "pallidum")
LEAST_MM3: Final = 200.0
"""A structure with less soft volume than this has no usable centroid."""


@dataclass(frozen=True, slots=True)
class MidPlane:
    """Points x with ``normal . x == offset_mm``; the normal points to the right."""

    normal: NDArray[np.float64]
    offset_mm: float

    def side(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed distance (mm) of points (3, ...); positive on the right."""
        distance: NDArray[np.float64] = np.tensordot(self.normal, points_mm, axes=1)
        return distance - self.offset_mm


@dataclass(frozen=True, slots=True)
class Layout:
    """Centroids (RAS+ mm) by name, paired ones with ``_left`` and ``_right``."""

    plane: MidPlane
    centroids_mm: dict[str, NDArray[np.float64]]


def centroid(weight: NDArray[np.floating], points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of points (3, ...); NaN where there is no weight."""
    total = float(weight.sum())
    if total <= 0.0:
        return np.full(3, np.nan)
    mean: NDArray[np.float64] = np.tensordot(points_mm, weight, axes=weight.ndim) / total
    return mean


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
    for _ in range(rounds):
        side = plane.side(points_mm)
        differences: list[NDArray[np.float64]] = []
        middles: list[NDArray[np.float64]] = []
        for name in PAIRED:
            left = centroid(soft[name] * (side < 0), points_mm)
            right = centroid(soft[name] * (side > 0), points_mm)
            if np.isfinite(left).all() and np.isfinite(right).all():
                differences.append(right - left)
                middles.append((left + right) / 2)
        if not differences:
            return plane
        normal = np.sum(differences, axis=0)
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        plane = MidPlane(normal, float(np.median(np.array(middles) @ normal)))
    return plane


def layout(
    soft: dict[str, NDArray[np.float32]],
    points_mm: NDArray[np.float64],
    start_mm: NDArray[np.float64],
    cell_mm3: float,
) -> Layout:
    """Mid-plane and centroids of soft structures on one grid."""
    plane = mid_plane(soft, points_mm, start_mm)
    side = plane.side(points_mm)
    found: dict[str, NDArray[np.float64]] = {}
    for name in PAIRED:
        for suffix, part in (("left", side < 0), ("right", side >= 0)):
            weight = soft[name] * part
            if float(weight.sum()) * cell_mm3 >= LEAST_MM3:
                found[f"{name}_{suffix}"] = centroid(weight, points_mm)
    for name in MIDLINE:
        if float(soft[name].sum()) * cell_mm3 >= LEAST_MM3:
            found[name] = centroid(soft[name], points_mm)
    return Layout(plane, found)


def deep_centre(soft: dict[str, NDArray[np.float32]], points_mm: NDArray[np.float64]
                ) -> NDArray[np.float64]:  # fmt: skip
    """Centroid of the deep grey nuclei of both sides, each side weighing the same."""
    weight = np.sum([soft[name] for name in DEEP], axis=0)
    return centroid(weight, points_mm)


@dataclass(frozen=True, slots=True)
class Fit:
    """Affine from a reference arrangement to this head.

    `residual_mm` is the median distance left over, `volume_ratio` the determinant,
    `points` the number of structures used.
    """

    residual_mm: float
    volume_ratio: float
    points: int


def fit_reference(
    centroids_mm: dict[str, NDArray[np.float64]], reference_mm: dict[str, list[float]]
) -> Fit:
    """Least squares affine, re-weighted ten times by 1 / (1 + (residual / 3 mm)^2) (Cauchy)."""
    names = sorted(set(centroids_mm) & set(reference_mm))
    if len(names) < 8:
        return Fit(float("inf"), 0.0, len(names))
    source = np.array([[*reference_mm[name], 1.0] for name in names])
    target = np.array([centroids_mm[name] for name in names])
    weight = np.ones(len(names))
    solution = np.zeros((4, 3))
    residual = np.zeros(len(names))
    for _ in range(10):
        root = np.sqrt(weight)[:, None]
        solution = np.linalg.lstsq(source * root, target * root, rcond=None)[0]
        residual = np.linalg.norm(source @ solution - target, axis=1)
        weight = 1.0 / (1.0 + (residual / 3.0) ** 2)
    ratio = float(np.linalg.det(solution[:3].T))
    return Fit(float(np.median(residual)), ratio, len(names))
