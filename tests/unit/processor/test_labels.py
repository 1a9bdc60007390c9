# SPDX-License-Identifier: Apache-2.0
"""FreeSurfer numbers and drawing label maps from soft boxes."""

from __future__ import annotations

import numpy as np

from memoryguard.processor.domain.anatomy import MidPlane
from memoryguard.processor.domain.drawing import Soft, finer, paint_side, whole_labels
from memoryguard.processor.domain.image import box
from memoryguard.processor.domain.labels import LEFT_RIGHT, MIDLINE, NAMES, number_of

PLANE = MidPlane(np.array([1.0, 0.0, 0.0]), 0.0)


def test_numbers_are_unique_and_known() -> None:
    numbers = [n for pair in LEFT_RIGHT.values() for n in pair] + list(MIDLINE.values())
    assert len(numbers) == len(set(numbers)) == len(NAMES)
    assert (number_of("hippocampus", 0), number_of("hippocampus", 1)) == (17, 53)
    assert number_of("third_ventricle", 1) == 14
    assert number_of("background", 0) == number_of("head", 1) == 0


def test_finer_grid_covers_the_same_space() -> None:
    coarse = box(np.zeros(3), (4, 4, 4), 3.0)
    fine = finer(coarse, 2)
    assert fine.shape == (8, 8, 8)
    np.testing.assert_allclose(fine.points().mean((1, 2, 3)), coarse.points().mean((1, 2, 3)))
    np.testing.assert_allclose(fine.voxel_volume_mm3 * 8, coarse.voxel_volume_mm3)


def soft_blob() -> Soft:
    grid = box(np.zeros(3), (20, 20, 20), 3.0)
    inside = (np.linalg.norm(grid.points(), axis=0) < 20).astype(np.float32)
    return Soft(("background", "white"), np.stack([1 - inside, inside]), grid)


def test_whole_labels_split_at_the_mid_plane() -> None:
    labels, grid = whole_labels(soft_blob(), PLANE)
    x = grid.points()[0]
    assert set(np.unique(labels)) == {0, 2, 41}
    assert (x[labels == 2] < 0).all()
    assert (x[labels == 41] >= 0).all()
    volume = float((labels > 0).sum()) * grid.voxel_volume_mm3
    assert abs(volume / (4 / 3 * np.pi * 20**3) - 1) < 0.05


def test_a_side_box_confirms_and_takes_back() -> None:
    grid = box(np.zeros(3), (40, 20, 20), 1.0)
    onto = np.zeros(grid.shape, np.int16)
    onto[5:15] = 17
    part = box(np.array([-10.0, 0.0, 0.0]), (20, 20, 20), 1.0)
    probability = np.zeros((2, 20, 20, 20), np.float32)
    probability[0, :10], probability[1, 10:] = 1.0, 1.0
    soft = Soft(("hippocampus", "white"), probability, part)
    paint_side(onto, grid, soft, 0, ("hippocampus",), PLANE)
    assert (onto[:10] == 17).all()
    assert (onto[10:15] == 2).all()
    assert (onto[15:] == 0).all()
