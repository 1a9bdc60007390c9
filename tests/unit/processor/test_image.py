# SPDX-License-Identifier: Apache-2.0
"""Geometry in closed form: reorienting moves no voxel, resampling keeps what it should."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.processor.domain.image import (
    Grid,
    Image,
    box,
    cut,
    grid_of,
    in_slabs,
    overlap,
    sample,
    sample_field,
    smoothed,
    surroundings,
    to_ras,
)


def oblique(spacing: tuple[float, float, float], angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) * np.array(spacing)
    matrix[:3, 3] = (-20.0, 31.0, 7.0)
    return matrix


def reordered(image: Image, order: tuple[int, ...], flips: tuple[bool, ...]) -> Image:
    """The same volume with its axes permuted and flipped, as another scanner stores it."""
    voxels, matrix = image.voxels.transpose(order), image.ras_from_ijk.copy()
    matrix[:3, :3] = matrix[:3, list(order)]
    for axis, flip in enumerate(flips):
        if flip:
            voxels = np.flip(voxels, axis)
            matrix[:3, 3] += matrix[:3, axis] * (voxels.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return Image(np.ascontiguousarray(voxels), matrix)


def test_spacing_and_volume_come_from_the_affine() -> None:
    image = Image(np.zeros((4, 5, 6), np.float32), oblique((1.0, 0.8, 2.5), 0.4))
    assert image.spacing_mm == pytest.approx((1.0, 0.8, 2.5))
    assert image.voxel_volume_mm3 == pytest.approx(2.0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_to_ras_undoes_every_storage_order(order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    voxels = rng.random((5, 6, 7), dtype=np.float32)
    upright = Image(voxels, oblique((1.0, 1.1, 1.2), 0.3))
    for flips in itertools.product((False, True), repeat=3):
        back = to_ras(reordered(upright, order, flips))
        np.testing.assert_array_equal(back.voxels, voxels)
        np.testing.assert_allclose(back.ras_from_ijk, upright.ras_from_ijk, atol=1e-12)


def test_to_ras_copes_with_forty_five_degrees() -> None:
    image = Image(np.zeros((3, 3, 3), np.float32), oblique((1.0, 1.0, 1.0), np.pi / 4))
    turned = to_ras(image)
    assert sorted(turned.voxels.shape) == [3, 3, 3]
    assert abs(np.linalg.det(turned.ras_from_ijk[:3, :3])) == pytest.approx(1.0)


def test_sampling_a_linear_field_is_exact() -> None:
    image = Image(np.zeros((30, 30, 30), np.float32), oblique((1.0, 1.2, 0.9), 0.2))
    points = grid_of(image).points()
    field = (2.0 * points[0] - points[1] + 0.5 * points[2] + 3.0).astype(np.float32)
    middle = points[:, 15, 15, 15]
    grid = box(middle, (7, 7, 7), 1.3)
    expected = np.tensordot([2.0, -1.0, 0.5], grid.points(), axes=1) + 3.0
    values = sample_field(field, image.ras_from_ijk, grid)
    np.testing.assert_allclose(values, expected, atol=1e-3)


@pytest.mark.parametrize("length", [1, 3, 4, 13])
def test_a_grid_read_in_slabs_is_the_same_grid(length: int) -> None:
    """Also one with fewer layers than there are slabs, read by two threads."""
    rng = np.random.default_rng(2)
    image = Image(rng.random((16, 17, 18), dtype=np.float32), oblique((1.0, 1.2, 0.9), 0.2))
    grid = box(grid_of(image).points()[:, 8, 8, 9], (length, 9, 7), 1.3)
    with ThreadPoolExecutor(2) as pool:
        values = in_slabs(lambda slab: sample(image, slab), grid, pool.map)
    assert values.shape == grid.shape
    np.testing.assert_allclose(values, sample(image, grid), atol=1e-6)


@pytest.mark.parametrize("length", [1, 3, 16, 41])
def test_an_image_smoothed_in_slabs_is_the_same_image(length: int) -> None:
    rng = np.random.default_rng(4)
    image = Image(rng.random((length, 12, 14), dtype=np.float32), np.diag([0.7, 0.8, 1.0, 1.0]))
    sigma = [0.35 * np.sqrt(9 - own**2) / own for own in image.spacing_mm]
    expected: Any = ndimage.gaussian_filter(image.voxels, sigma, truncate=2.5)
    with ThreadPoolExecutor(2) as pool:
        found = smoothed(image, 3.0, pool.map)
    np.testing.assert_allclose(found.voxels, expected, atol=1e-6)


@pytest.mark.parametrize("spacing", [1.0, 1.5, 3.0])
def test_a_sphere_keeps_its_volume(spacing: float) -> None:
    image = Image(np.zeros((60, 60, 60), np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
    centre = np.array([29.4, 30.2, 29.9])
    distance = np.linalg.norm(grid_of(image).points() - centre[:, None, None, None], axis=0)
    sphere = Image(np.clip(20.5 - distance, 0.0, 1.0).astype(np.float32), image.ras_from_ijk)
    count = int(54 / spacing)
    grid = box(centre, (count, count, count), spacing)
    volume = float(sample(smoothed(sphere, spacing), grid).sum()) * grid.voxel_volume_mm3
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)


def test_mirrored_box_sees_the_right_side_as_a_left_one() -> None:
    image = Image(np.zeros((40, 20, 20), np.float32), np.diag([1.0, 1.0, 1.0, 1.0]))
    image.voxels[30, 10, 10] = 1.0  # 10.5 to the right of the middle, 19.5
    left = np.zeros_like(image.voxels)
    left[9, 10, 10] = 1.0
    right_box = box(np.array([30.0, 10.0, 10.0]), (9, 9, 9), 1.0, mirrored=True)
    left_box = box(np.array([9.0, 10.0, 10.0]), (9, 9, 9), 1.0)
    seen = sample(image, right_box)
    np.testing.assert_allclose(seen, sample_field(left, image.ras_from_ijk, left_box))
    assert seen.max() == pytest.approx(1.0)
    assert right_box.ras_from_ijk[0, 0] < 0


def test_overlap_and_cut_keep_world_coordinates() -> None:
    grid = Grid((50, 60, 70), oblique((1.0, 1.0, 1.0), 0.3))
    middle = grid.points()[:, 25, 30, 35]
    part = overlap(grid, box(middle, (8, 8, 8), 1.0))
    assert part is not None
    here = cut(grid, part)
    np.testing.assert_allclose(here.points(), grid.points()[(slice(None), *part)])
    inside = box(middle, (8, 8, 8), 1.0).points().reshape(3, -1)
    ijk = np.linalg.inv(here.ras_from_ijk) @ np.vstack([inside, np.ones(inside.shape[1])])
    assert (ijk[:3] >= -1e-9).all()
    assert (ijk[:3].max(1) <= np.array(here.shape) - 1 + 1e-9).all()
    assert overlap(grid, box(middle + 500.0, (8, 8, 8), 1.0)) is None


def test_surroundings_hold_what_sampling_needs() -> None:
    rng = np.random.default_rng(2)
    image = Image(rng.random((40, 40, 40), dtype=np.float32), oblique((1.0, 1.0, 1.0), 0.2))
    grid = box(grid_of(image).points()[:, 20, 20, 20], (9, 9, 9), 1.0)
    small = surroundings(image, grid, 2.0)
    assert small.voxels.size < image.voxels.size / 2
    np.testing.assert_allclose(sample(small, grid), sample(image, grid), atol=1e-5)
