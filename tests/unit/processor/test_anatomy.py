# SPDX-License-Identifier: Apache-2.0
"""Mid-plane and frame of a head, found again after known moves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from memoryguard.processor.domain.anatomy import (
    LEAST_POINTS,
    PAIRED,
    frame_of,
    mid_plane,
    similarity,
)
from memoryguard.processor.domain.image import box


def reference() -> dict[str, list[float]]:
    rng = np.random.default_rng(4)
    return {f"p{n}": rng.uniform(-60, 60, 3).tolist() for n in range(20)}


def moved(
    points: dict[str, list[float]],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    matrix = np.eye(4)
    matrix[:3, :3] = 1.12 * Rotation.from_euler("xyz", (10, -14, 20), degrees=True).as_matrix()
    matrix[:3, 3] = (3.0, 40.0, -5.0)
    return {n: matrix[:3, :3] @ np.array(p) + matrix[:3, 3] for n, p in points.items()}, matrix


def test_a_frame_is_found_again_in_spite_of_an_outlier() -> None:
    found, matrix = moved(reference())
    found["p7"] = found["p7"] + 40.0
    frame = frame_of(found, reference())
    np.testing.assert_allclose(frame.ras_from_frame, matrix, atol=0.35)
    assert frame.residual_mm < 0.3
    assert frame.scale == pytest.approx(1.12, abs=0.005)


def test_a_mirrored_head_is_not_taken_for_a_turned_one() -> None:
    mirrored = {n: np.array([-x, y, z]) for n, (x, y, z) in reference().items()}
    frame = frame_of(mirrored, reference())
    assert np.linalg.det(frame.ras_from_frame[:3, :3]) > 0
    assert frame.residual_mm > 20


def test_too_few_structures_make_no_frame() -> None:
    few = {n: np.array(p) for n, p in list(reference().items())[: LEAST_POINTS - 1]}
    frame = frame_of(few, reference())
    assert not frame.found
    assert frame.residual_mm == float("inf")


def test_similarity_weighs_points() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    target = points * 2 + 1
    target[3] += 5
    matrix = similarity(points, target, np.array([1.0, 1, 1, 1e-9]))
    np.testing.assert_allclose(matrix[:3, :3], 2 * np.eye(3), atol=1e-4)
    np.testing.assert_allclose(matrix[:3, 3], 1.0, atol=1e-4)


@pytest.mark.parametrize("degrees", [0.0, 6.0, 12.0, -15.0])
def test_mid_plane_of_turned_pairs(degrees: float) -> None:
    grid = box(np.zeros(3), (40, 40, 40), 3.0)
    points, angle = grid.points(), np.radians(degrees)
    right = np.array([np.cos(angle), np.sin(angle), 0.0])
    front = np.array([-np.sin(angle), np.cos(angle), 0.0])
    middle = np.array([5.0, 2.0, 1.0])
    soft = {}
    for n, name in enumerate(PAIRED):
        ahead = front * (6.0 * n - 20) + np.array([0, 0, n - 4.0])
        blobs = [
            np.exp(-np.sum((points - (middle + ahead + s)[:, None, None, None]) ** 2, 0) / 60)
            for s in (right * (14 + n), -right * (14 + n))
        ]
        soft[name] = (blobs[0] + blobs[1]).astype(np.float32)
    plane = mid_plane(soft, points, np.zeros(3))
    assert float(plane.normal @ right) > 0.999
    assert abs(float(plane.normal @ middle) - plane.offset_mm) < 0.3
