# SPDX-License-Identifier: Apache-2.0
"""Surfaces enclose the soft volume, are closed, look outward and lie where the structure lies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.processor.domain.image import Grid
from memoryguard.processor.domain.surface import (
    MOST_TRIANGLES,
    SMOOTHING_MM,
    Surface,
    shared_out,
    surface,
)

CENTRE_MM = np.array([12.0, -30.0, 7.0])
SHAPE = (44, 40, 36)


def lattice(steps_mm: tuple[float, float, float], *, mirrored: bool = False) -> Grid:
    """A turned lattice around the centre; mirrored ones have a negative determinant."""
    a, b = 0.4, -0.7
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_x * np.array(steps_mm)
    if mirrored:
        matrix[:3, 0] *= -1
    matrix[:3, 3] = CENTRE_MM - matrix[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return Grid(SHAPE, matrix)


def soft_ball(grid: Grid, radius_mm: float, centre_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Partial volume by distance to the border, over about a voxel."""
    away = np.linalg.norm(grid.points() - centre_mm[:, None, None, None], axis=0)
    return np.clip(0.5 + radius_mm - away, 0, 1).astype(np.float32)


def soft_mm3(probability: NDArray[np.float32], grid: Grid) -> float:
    return float(probability.sum(dtype=float)) * grid.voxel_volume_mm3


def made(probability: NDArray[np.float32], grid: Grid, most: int = 500) -> Surface:
    found = surface(probability, grid, most)
    assert found is not None
    return found


def is_closed(triangles: NDArray[np.int32]) -> bool:
    """Every edge belongs to two triangles that pass it in opposite directions."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    distinct, count = np.unique(edges, axis=0, return_counts=True)
    back = np.unique(edges[:, ::-1], axis=0)
    return bool((count == 1).all()) and np.array_equal(distinct, back)


GRIDS = {
    "turned": lattice((1.0, 1.0, 1.0)),
    "mirrored": lattice((1.0, 1.0, 1.0), mirrored=True),
    "thick": lattice((0.8, 1.0, 1.6)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_ball_stays_a_ball_of_its_volume(name: str) -> None:
    grid = GRIDS[name]
    soft = soft_ball(grid, 9.0, CENTRE_MM)
    found = made(soft, grid)
    assert found.volume_mm3 == pytest.approx(soft_mm3(soft, grid), rel=1e-4)
    assert is_closed(found.triangles)
    assert len(found.triangles) <= 500
    out = found.points_mm - CENTRE_MM
    radius_mm = np.linalg.norm(out, axis=1)
    np.testing.assert_allclose(radius_mm, 9.0, atol=0.5)
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=1), 1.0, atol=1e-5)
    assert ((found.normals * out).sum(1) / radius_mm).min() > 0.85


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("radius_mm", [2.5, 4.0])
def test_small_structures_keep_their_volume(name: str, radius_mm: float) -> None:
    grid = GRIDS[name]
    soft = soft_ball(grid, radius_mm, CENTRE_MM)
    found = made(soft, grid)
    assert found.volume_mm3 == pytest.approx(soft_mm3(soft, grid), rel=1e-3)
    assert is_closed(found.triangles)


def test_a_level_of_one_half_would_not_do() -> None:
    """What is blurred and cut at one half has lost much of a small structure."""
    grid = GRIDS["turned"]
    soft = soft_ball(grid, 2.5, CENTRE_MM)
    blurred = ndimage.gaussian_filter(soft, SMOOTHING_MM)
    assert (blurred > 0.5).sum() < 0.95 * soft.sum()
    assert made(soft, grid).level < 0.45


def test_a_thin_sheet_keeps_its_volume() -> None:
    grid = GRIDS["turned"]
    sheet = np.zeros(SHAPE, np.float32)
    sheet[10:34, 10:30, 17] = 0.9
    found = made(sheet, grid)
    assert found.volume_mm3 == pytest.approx(soft_mm3(sheet, grid), rel=1e-3)
    assert is_closed(found.triangles)


def test_what_the_grid_cuts_is_closed() -> None:
    grid = GRIDS["turned"]
    corner_mm = grid.ras_from_ijk[:3, 3]
    soft = soft_ball(grid, 12.0, corner_mm)
    found = made(soft, grid)
    assert is_closed(found.triangles)
    assert found.volume_mm3 == pytest.approx(soft_mm3(soft, grid), rel=1e-3)


@pytest.mark.parametrize("most", [120, 300])
def test_folded_walls_stay_closed(most: int) -> None:
    """A crumpled shell: thinning it out this much makes folds and shared edges."""
    grid = GRIDS["turned"]
    x, y, z = grid.points() - CENTRE_MM[:, None, None, None]
    away = np.sqrt(x * x + y * y + z * z)
    wavy = 11.0 + 2.5 * np.sin(6 * np.arctan2(y, x)) * np.cos(5 * np.arctan2(z, np.hypot(x, y)))
    soft = np.clip(1.3 - np.abs(away - wavy), 0, 1).astype(np.float32)
    found = made(soft, grid, most)
    assert is_closed(found.triangles)
    assert len(found.triangles) <= most
    assert found.volume_mm3 == pytest.approx(soft_mm3(soft, grid), rel=1e-3)


def test_specks_are_left_out() -> None:
    grid = GRIDS["turned"]
    soft = soft_ball(grid, 7.0, CENTRE_MM)
    soft[2:4, 2:4, 2:4] = 1.0
    found = made(soft, grid)
    assert np.linalg.norm(found.points_mm - CENTRE_MM, axis=1).max() < 8.0


@pytest.mark.parametrize("everywhere", [0.0, 0.05, 1e-4])
def test_haze_has_no_surface(everywhere: float) -> None:
    haze = np.full(SHAPE, everywhere, np.float32)
    assert surface(haze, GRIDS["turned"], 500) is None


def test_a_trace_has_no_surface() -> None:
    trace = np.zeros(SHAPE, np.float32)
    trace[5, 5, 5:20] = 1.0
    assert surface(trace, GRIDS["turned"], 500) is None


def test_the_same_structure_gives_the_same_surface() -> None:
    grid = GRIDS["thick"]
    soft = soft_ball(grid, 6.0, CENTRE_MM)
    first, second = made(soft, grid), made(np.asfortranarray(soft), grid)
    np.testing.assert_array_equal(first.points_mm, second.points_mm)
    np.testing.assert_array_equal(first.triangles, second.triangles)


def test_triangles_are_shared_out_by_structure() -> None:
    names = ["cortex_left", "cortex_right", "hippocampus_left", "amygdala_left", "new_one"]
    shares = shared_out(names)
    assert sum(shares.values()) <= MOST_TRIANGLES
    assert sum(shares.values()) > MOST_TRIANGLES - len(names)
    assert shares["cortex_left"] == shares["cortex_right"]
    assert shares["cortex_left"] > shares["hippocampus_left"] > shares["amygdala_left"] > 0
    assert shares["new_one"] == shares["amygdala_left"]
