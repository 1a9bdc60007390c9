# SPDX-License-Identifier: Apache-2.0
"""Closed surfaces of triangles: every edge belongs to exactly two of them.

Triangles are int (m, 3), indices of points. All functions keep a surface closed (each directed
edge is met by its reverse) and its enclosed volume as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 8
"""Each round divides a triangle once; it has three edges."""


def without_folds(triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    """Take away pairs of triangles with the same corners and opposite sides, and flat ones."""
    a, b, c = np.sort(triangles, axis=1).T
    turns = np.where(_even(triangles), 1, -1)
    corners = np.stack([a, b, c], axis=1)[(a < b) & (b < c)]
    turns = turns[(a < b) & (b < c)]
    distinct, which = np.unique(corners, axis=0, return_inverse=True)
    net = np.rint(np.bincount(which.ravel(), turns, len(distinct))).astype(int)
    kept = np.repeat(distinct, np.abs(net), axis=0)
    reverse = np.repeat(net, np.abs(net)) < 0
    kept[reverse] = kept[reverse][:, [0, 2, 1]]
    return kept.astype(np.int32)


def _even(triangles: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether the corners are an even permutation of their order."""
    a, b, c = triangles.T
    return ((a < b).astype(int) + (b < c) + (c < a)) == 2


def one_pair_per_edge(
    points: NDArray[np.float64], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Where four or more triangles share an edge, give every pair beyond the first its own.

    The second pair gets a point in the middle of the edge, and each of its triangles is cut in
    two there. Points that no triangle uses are dropped.
    """
    places = [tuple(point) for point in points.tolist()]
    faces = [tuple(face) for face in triangles.tolist()]
    for _ in range(ROUNDS):
        if not _divide(places, faces):
            break
    used, corners = np.unique(np.array(faces, np.int32).reshape(-1, 3), return_inverse=True)
    return np.array(places, np.float64)[used], corners.reshape(-1, 3).astype(np.int32)


def _divide(places: list[tuple[float, ...]], faces: list[tuple[int, ...]]) -> bool:
    """Divide one round of shared edges in place, no triangle twice; whether there were any."""
    divided: set[int] = set()
    shared = _shared_edges(np.array(faces, np.int64).reshape(-1, 3))
    for (start, end), pairs in shared.items():
        for pair in pairs[1:]:
            if divided.isdisjoint(pair):
                divided.update(pair)
                middle = [(x + y) / 2 for x, y in zip(places[start], places[end], strict=True)]
                places.append(tuple(middle))
                for face in pair:
                    _halve(faces, face, {start, end}, len(places) - 1)
    return bool(shared)


def _shared_edges(triangles: NDArray[np.int64]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Edges of more than two triangles, each with its pairs of triangles, one from either side."""
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    many = int(triangles.max()) + 1
    edges = np.minimum(starts, ends) * many + np.maximum(starts, ends)
    distinct, count = np.unique(edges, return_counts=True)
    shared: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for edge in distinct[count > 2].tolist():
        low, high = divmod(edge, many)
        owners = np.flatnonzero(edges == edge)
        forth = (owners[starts[owners] == low] // 3).tolist()
        back = (owners[starts[owners] == high] // 3).tolist()
        shared[low, high] = list(zip(forth, back, strict=True))
    return shared


def _halve(faces: list[tuple[int, ...]], number: int, edge: set[int], middle: int) -> None:
    """Cut a triangle from the middle of an edge to the corner opposite."""
    face = faces[number]
    first = next(i for i in range(3) if {face[i], face[(i + 1) % 3]} == edge)
    a, b, c = face[first], face[(first + 1) % 3], face[(first + 2) % 3]
    faces[number] = (a, middle, c)
    faces.append((middle, b, c))
