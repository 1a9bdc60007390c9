# SPDX-License-Identifier: Apache-2.0
"""Thickness of cortices that we made ourselves: shells, closed sulci and folds at 1 mm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from memoryguard.processor.domain.thickness import (
    cortex_along_normals,
    mean_thickness,
    white_surface,
)

Points = NDArray[np.float64]
Maps = tuple[NDArray[np.float32], NDArray[np.float32]]
OBLIQUE = np.array([0.62, -0.35, 0.70])


def maps(
    edge_mm: float,
    spacing_mm: float,
    depth: Callable[[Points], Points],
    thickness_mm: float,
    offset_mm: float = 0.0,
) -> Maps:
    """Shares of voxels (4 x 4 x 4 points each): white where depth < 0, cortex under thickness.

    `depth` gives the distance from the white surface (mm) at points (..., 3) around 0.
    """
    count = round(edge_mm / spacing_mm)
    axis = (np.arange(count) - (count - 1) / 2) * spacing_mm + offset_mm
    centre = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    white, cortex = np.zeros((2, count, count, count), np.float32)
    steps = (np.arange(4) - 1.5) / 4 * spacing_mm
    for step in product(steps, steps, steps):
        d = depth(centre + np.array(step))
        white += (d < 0) / 64
        cortex += ((d >= 0) & (d < thickness_mm)) / 64
    return white, cortex


def ball(points: Points) -> Points:
    """Distance from a sphere of white matter, radius 15 mm."""
    distance: Points = np.linalg.norm(points, axis=-1) - 15.0
    return distance


def plates(period_mm: float, blade_mm: float) -> Callable[[Points], Points]:
    """Distance from parallel, oblique blades of white matter."""
    normal = OBLIQUE / np.linalg.norm(OBLIQUE)

    def depth(points: Points) -> Points:
        along = points @ normal
        return np.abs(along - period_mm * np.round(along / period_mm)) - blade_mm / 2

    return depth


def inner_mean(white: NDArray[np.float32], cortex: NDArray[np.float32], spacing_mm: float) -> float:
    """Mean of the walks that start well inside the array, for shapes that its faces cut."""
    surface = white_surface(white, cortex, spacing_mm)
    edge = (np.array(white.shape) - 1) * spacing_mm
    inside = ((surface.points_mm > 8.0) & (surface.points_mm < edge - 8.0)).all(axis=1)
    length = cortex_along_normals(cortex, spacing_mm, surface, surface.points_mm)
    area = surface.areas_mm2
    return float(length[inside] @ area[inside] / area[inside].sum())


@pytest.mark.parametrize("thickness_mm", [1.5, 2.0, 2.5, 3.0, 4.0])
def test_a_shell_has_its_thickness(thickness_mm: float) -> None:
    found = mean_thickness(*maps(44.0, 1.0, ball, thickness_mm), 1.0)
    assert found is not None
    assert found.mean_mm == pytest.approx(thickness_mm, rel=0.015)
    assert found.surface_mm2 == pytest.approx(4 * np.pi * 15.0**2, rel=0.015)


@pytest.mark.parametrize("spacing_mm", [0.8, 0.9, 1.15])
@pytest.mark.parametrize("offset_mm", [0.0, 0.37])
def test_the_lattice_does_not_matter(spacing_mm: float, offset_mm: float) -> None:
    found = mean_thickness(*maps(44.0, spacing_mm, ball, 2.5, offset_mm), spacing_mm)
    assert found is not None
    assert found.mean_mm == pytest.approx(2.5, rel=0.015)


@pytest.mark.parametrize("thickness_mm", [1.5, 2.5, 3.5])
@pytest.mark.parametrize("fluid_mm", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("blade_mm", [2.0, 4.0])
def test_banks_of_a_narrow_sulcus_stay_apart(
    thickness_mm: float, fluid_mm: float, blade_mm: float
) -> None:
    shape = plates(2 * thickness_mm + fluid_mm + blade_mm, blade_mm)
    found = inner_mean(*maps(36.0, 1.0, shape, thickness_mm), 1.0)
    assert found == pytest.approx(thickness_mm, rel=0.06)


def test_thinning_by_a_twentieth_is_seen_in_closed_and_open_cortex() -> None:
    for shape in (ball, plates(12.0, 3.0)):
        before, after = (inner_mean(*maps(44.0, 1.0, shape, t), 1.0) for t in (2.6, 2.47))
        assert 100 * (1 - after / before) == pytest.approx(5.0, abs=0.5)


def fold(across: Points) -> Points:
    """Height of folds 12 mm deep, one every 13 mm."""
    height: Points = 6.0 * np.sin(2 * np.pi * across / 13.0)
    return height


def folded(thickness_mm: float) -> tuple[Callable[[Points], Points], float]:
    """Distance from a folded surface, turned by 20 degrees, and the true mean thickness.

    The truth goes along the normals of a fine line, to the thickness or to where another
    part of the line comes nearer.
    """
    x = np.arange(-40.0, 40.0, 0.01)
    line = np.stack([x, fold(x)], axis=1)
    tree = cKDTree(line)
    tangent = np.gradient(line, axis=0)
    step = np.linalg.norm(tangent, axis=1)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / step[:, None]
    one = np.flatnonzero((x >= 0) & (x < 13.0))[::5]
    reach = np.full(one.size, thickness_mm)
    for t in np.arange(thickness_mm, 0.0, -0.02):
        nearest = np.asarray(tree.query(line[one] + t * normal[one])[0])
        reach = np.where(nearest < t - 0.01, t, reach)
    truth = float(reach @ step[one] / step[one].sum())
    cosine, sine = np.cos(np.radians(20.0)), np.sin(np.radians(20.0))

    def depth(points: Points) -> Points:
        turned = points[..., :2] @ np.array([[cosine, -sine], [sine, cosine]])
        flat = turned[:, :, 0]
        signed = np.asarray(tree.query(flat)[0]) * np.sign(flat[..., 1] - fold(flat[..., 0]))
        return np.broadcast_to(signed[:, :, None], points.shape[:3])

    return depth, truth


@pytest.mark.parametrize("thickness_mm", [1.5, 2.5, 3.5])
def test_folds(thickness_mm: float) -> None:
    shape, truth = folded(thickness_mm)
    found = inner_mean(*maps(44.0, 1.0, shape, thickness_mm), 1.0)
    assert found == pytest.approx(truth, rel=0.06)


def test_noise_and_blur_hardly_matter() -> None:
    white, cortex = maps(44.0, 1.0, plates(9.5, 3.0), 2.5)
    plain = inner_mean(white, cortex, 1.0)
    blurred = (ndimage.gaussian_filter(part, 0.8).astype(np.float32) for part in (white, cortex))
    assert inner_mean(*blurred, 1.0) == pytest.approx(plain, rel=0.04)
    noise = np.random.default_rng(4).normal(0.0, 0.1, (2, *white.shape)).astype(np.float32)
    noisy = (np.clip(p + n, 0, 1) for p, n in zip((white, cortex), noise, strict=True))
    assert inner_mean(*noisy, 1.0) == pytest.approx(plain, rel=0.04)


def test_white_matter_without_cortex_does_not_count() -> None:
    white, cortex = maps(44.0, 1.0, ball, 2.5)
    whole = mean_thickness(white, cortex, 1.0)
    cortex[:22] = 0.0
    half = mean_thickness(white, cortex, 1.0)
    assert whole is not None and half is not None
    assert half.surface_mm2 == pytest.approx(whole.surface_mm2 / 2, rel=0.03)
    assert half.mean_mm == pytest.approx(whole.mean_mm, rel=0.03)


def test_nothing_is_measured_where_there_is_no_cortex() -> None:
    white, cortex = maps(44.0, 2.0, ball, 2.5)
    nothing = np.zeros_like(white)
    assert mean_thickness(white, nothing, 2.0) is None
    assert mean_thickness(nothing, nothing, 2.0) is None
    assert mean_thickness(nothing, cortex, 2.0) is None
