# SPDX-License-Identifier: Apache-2.0
"""Label maps out of soft structures, on grids that are turned and of other spacing."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from memoryguard.processor.domain.head import Part
from memoryguard.processor.domain.image import Grid, box
from memoryguard.processor.domain.labelling import label, split_side

LATTICE = box(np.zeros(3), (60, 60, 60), 1.0)
WHOLE = (slice(0, 60), slice(0, 60), slice(0, 60))


def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    away = np.linalg.norm(LATTICE.points() - np.array(centre)[:, None, None, None], axis=0)
    return np.clip(radius - away + 0.5, 0, 1).astype(np.float32)


def parts() -> dict[str, Part]:
    left, right = ball((-12, 0, 0), 8), ball((12, 0, 0), 8)
    cerebellum = ball((0, -20, 0), 6)
    small = tuple(slice(5, 55) for _ in range(3))
    return {
        "outside": Part(1 - left - right - cerebellum, WHOLE),
        "hippocampus_left": Part(left[small], small),  # type: ignore[arg-type]
        "hippocampus_right": Part(right, WHOLE),
        "cerebellar_cortex": Part(cerebellum, WHOLE),
        "amygdala_left": Part(np.zeros_like(left), WHOLE),
    }


def test_sides_in_names() -> None:
    assert split_side("inferior_lateral_ventricle_left") == ("inferior_lateral_ventricle", "left")
    assert split_side("third_ventricle") == ("third_ventricle", None)


def test_volumes_and_places_hold_on_a_turned_finer_grid() -> None:
    turn = np.eye(4)
    turn[:3, :3] = 0.8 * Rotation.from_euler("xyz", (20, 10, -30), degrees=True).as_matrix()
    turn[:3, 3] = -turn[:3, :3] @ (45, 45, 45)
    onto = Grid((90, 90, 90), turn)
    labels = label(parts(), LATTICE, onto)
    assert labels.dtype == np.int16
    points = onto.points()
    for number, x in ((17, -12), (53, 12)):
        mask = labels == number
        expected = 4 / 3 * np.pi * 8**3
        assert abs(mask.sum() * onto.voxel_volume_mm3 / expected - 1) < 0.03
        np.testing.assert_allclose(points[:, mask].mean(1), (x, 0, 0), atol=0.2)
    assert (points[0][labels == 8] < 0).all()
    assert (points[0][labels == 47] >= 0).all()
    assert (labels == 8).sum() > 100
    assert set(np.unique(labels)) == {0, 8, 17, 47, 53}


def test_a_scan_elsewhere_gets_no_labels() -> None:
    far = box(np.array([500.0, 0.0, 0.0]), (10, 10, 10), 1.0)
    assert not label(parts(), LATTICE, far).any()


def test_a_ventricle_labels_only_what_is_twice_as_likely_as_anything_else() -> None:
    share = np.linspace(0.0, 1.0, 60, dtype=np.float32)[:, None, None] * np.ones((60, 60, 60))
    soft = {
        "outside": Part(np.zeros((60, 60, 60), np.float32), WHOLE),
        "lateral_ventricle_left": Part(share.astype(np.float32), WHOLE),
        "white_left": Part((1 - share).astype(np.float32), WHOLE),
    }
    labels = label(soft, LATTICE, LATTICE)
    fluid = float(share[:, 30, 30][labels[:, 30, 30] == 4].min())
    assert 2 / 3 < fluid < 2 / 3 + 1 / 59
