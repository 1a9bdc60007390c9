# SPDX-License-Identifier: Apache-2.0
"""Nothing but the brain is left of a stripped image, and nothing at all where that is in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.processor.domain.image import Grid, Image, grid_of
from memoryguard.processor.domain.stripping import MARGIN_MM, one_brain, stripped
from memoryguard.processor.picture import draw

SCAN_MM = 2.0
LATTICE_MM = 1.8
SEMI_AXES_MM = (62.0, 70.0, 58.0)


def scan_grid() -> Grid:
    """Axes (posterior, left, superior): not the order of the world."""
    matrix = np.zeros((4, 4))
    matrix[1, 0], matrix[0, 1], matrix[2, 2], matrix[3, 3] = -SCAN_MM, -SCAN_MM, SCAN_MM, 1
    matrix[:3, 3] = (100, 100, -90)
    return Grid((105, 100, 90), matrix)


def lattice() -> Grid:
    """The head's own lattice: nods by ten degrees against the scan."""
    a = np.deg2rad(10)
    matrix = np.eye(4)
    matrix[:3, :3] = LATTICE_MM * np.array(
        [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    )
    shape = (84, 98, 86)
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, matrix)


def ball(
    grid: Grid, centre_mm: tuple[float, float, float], semi_axes_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    away = grid.points() - np.array(centre_mm)[:, None, None, None]
    return ((away / np.array(semi_axes_mm)[:, None, None, None]) ** 2).sum(0) < 1


def brain_on(grid: Grid) -> NDArray[np.bool_]:
    return ball(grid, (0, 0, 0), SEMI_AXES_MM)


def scan(outside: float) -> Image:
    """Brain of many greys, dark fluid around it, and something else outside."""
    grid = scan_grid()
    voxels = np.random.default_rng(3).uniform(200, 600, grid.shape).astype(np.float32)
    voxels[~brain_on(grid)] = 20
    voxels[~ball(grid, (0, 0, 0), (67.0, 75.0, 63.0))] = outside
    return Image(voxels, grid.ras_from_ijk)


def nerve_to(grid: Grid, end_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """A rod 4 mm thick from the middle of the head."""
    points, end = grid.points(), np.array(end_mm)
    share = np.clip(np.tensordot(end, points, 1) / (end @ end), 0, 1)
    return np.linalg.norm(points - share * end[:, None, None, None], axis=0) < 2.0


def soft(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return ndimage.gaussian_filter(mask.astype(np.float32), 0.5)


def test_the_brain_stays_as_it_was_and_all_else_is_zero() -> None:
    image = scan(5000)
    found = stripped(image, soft(brain_on(lattice())), lattice())
    assert found is not None
    assert found.shape == image.voxels.shape
    inside = brain_on(scan_grid())
    kept = found > 0
    assert kept[inside].mean() > 0.999
    np.testing.assert_array_equal(found[kept], image.voxels[kept])
    away_mm = ndimage.distance_transform_edt(~inside, sampling=SCAN_MM)
    assert away_mm[kept].max() <= MARGIN_MM + SCAN_MM
    assert (away_mm[kept] > 0).any()  # there is a rim


def test_a_face_does_not_change_a_single_voxel() -> None:
    p = soft(brain_on(lattice()))
    plain, face = stripped(scan(0), p, lattice()), stripped(scan(5000), p, lattice())
    assert plain is not None
    np.testing.assert_array_equal(plain, face)


@pytest.mark.parametrize(
    ("centre_mm", "bridge"),
    [((20, 82, -40), True), ((20, 82, -40), False), ((-60, 60, -60), False)],
)
def test_an_eye_taken_for_brain_is_not_shown(
    centre_mm: tuple[float, float, float], bridge: bool
) -> None:
    grid = lattice()
    found = brain_on(grid)
    found |= ball(grid, centre_mm, (11, 11, 11))
    if bridge:
        found |= nerve_to(grid, centre_mm)
    pieces = ndimage.label(found)[1]
    assert pieces == (1 if bridge else 2)
    shown = stripped(scan(5000), soft(found), grid)
    assert shown is not None
    eye = ball(scan_grid(), centre_mm, (10, 10, 10))
    assert eye.any()
    assert not shown[eye].any()


def halves(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return mask & (np.abs(grid.points()[0]) > 6)


def small(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return mask & ball(grid, (0, 0, 0), (40, 40, 40))


def nothing(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return np.zeros_like(mask)


def everything(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return np.ones_like(mask)


def large(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return ball(grid, (0, 0, 0), (84, 84, 84))


@pytest.mark.parametrize("wrong", [halves, small, nothing, everything, large])
def test_picture_and_stripped_image_have_one_rule(wrong: object) -> None:
    """Where what was found is not one brain, neither shows anything."""
    assert callable(wrong)
    image = scan(5000)
    assert stripped(image, soft(wrong(brain_on(lattice()), lattice())), lattice()) is None
    labels = np.where(wrong(brain_on(scan_grid()), scan_grid()), 3, 0).astype(np.int16)
    for number, x_mm in ((17, -26), (53, 26)):
        labels[ball(scan_grid(), (x_mm, -20, -14), (8, 18, 7)) & (labels > 0)] = number
    assert draw(image, labels) is None


def test_a_scan_that_does_not_meet_the_lattice_shows_nothing() -> None:
    image = scan(0)
    elsewhere = image.ras_from_ijk.copy()
    elsewhere[:3, 3] += 1000
    p = soft(brain_on(lattice()))
    assert stripped(Image(image.voxels, elsewhere), p, lattice()) is None


def test_holes_belong_to_the_brain() -> None:
    image, grid = scan(0), lattice()
    hollow = brain_on(grid) & ~ball(grid, (15, 10, 5), (12, 20, 12))
    found = stripped(image, soft(hollow), grid)
    assert found is not None
    assert found[ball(scan_grid(), (15, 10, 5), (10, 18, 10))].all()


def test_thin_things_on_the_brain_are_cut_off_and_the_rest_is_whole() -> None:
    grid = grid_of(scan(0))
    brain = brain_on(grid)
    kept = one_brain(brain, grid.ras_from_ijk)
    assert kept is not None
    assert not (kept & ~brain).any()
    assert kept.sum() > 0.999 * brain.sum()
