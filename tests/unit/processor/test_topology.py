# SPDX-License-Identifier: Apache-2.0
"""What thinning a surface breaks is mended, without changing what it encloses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.topology import one_pair_per_edge, without_folds

POINTS = np.array([[0, 0, 0], [0, 0, 1], [2, 0, 0], [0, 2, 0], [-2, 0, 0], [0, -2, 0]], float)
# Two tetrahedra that share nothing but the edge from point 0 to point 1.
FIRST = [(0, 3, 2), (0, 1, 3), (1, 2, 3), (0, 2, 1)]
SECOND = [(0, 5, 4), (0, 1, 5), (1, 4, 5), (0, 4, 1)]


def volume(points: NDArray[np.float64], triangles: NDArray[np.int32]) -> float:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def owners(triangles: NDArray[np.int32]) -> NDArray[np.int_]:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)[1]


def test_folds_and_flat_triangles_vanish() -> None:
    fold = [(2, 3, 4), (4, 3, 2), (1, 1, 5), (5, 5, 5)]
    found = without_folds(np.array([*fold, *FIRST], np.int32))
    assert len(found) == len(FIRST)
    assert volume(POINTS, found) == volume(POINTS, np.array(FIRST, np.int32)) > 0
    assert (owners(found) == 2).all()


def test_an_odd_copy_stays_on_its_side() -> None:
    found = without_folds(np.array([(2, 3, 4), (4, 3, 2), (3, 4, 2)], np.int32))
    assert len(found) == 1
    turned = found[0].tolist()
    start = turned.index(2)
    assert [turned[(start + i) % 3] for i in range(3)] == [2, 3, 4]


def test_every_edge_gets_two_triangles() -> None:
    shared = np.array([*FIRST, *SECOND], np.int32)
    assert owners(shared).max() == 4
    points, found = one_pair_per_edge(POINTS, shared)
    assert (owners(found) == 2).all()
    assert len(found) == len(shared) + 2
    np.testing.assert_allclose(volume(points, found), volume(POINTS, shared), rtol=1e-12)


def test_points_that_nothing_uses_are_dropped() -> None:
    points, found = one_pair_per_edge(POINTS, np.array(SECOND, np.int32))
    assert len(points) == 4
    assert set(found.ravel().tolist()) == {0, 1, 2, 3}
    np.testing.assert_allclose(volume(points, found), volume(POINTS, np.array(SECOND, np.int32)))
