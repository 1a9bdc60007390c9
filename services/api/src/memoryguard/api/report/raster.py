# SPDX-License-Identifier: Apache-2.0
"""A rasteriser with a depth buffer: which triangle is seen at each pixel. Pure.

Triangles of about one size are tried together, all pixels of their boxes at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2_000_000
"""Pixels that are tried together, which bounds the memory."""
EDGE = 1e-5
"""By how much of itself a triangle is larger: rounding leaves no cracks between neighbours."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen through each pixel, rows from the top.

    Parameters
    ----------
    triangle
        int (rows, columns): the nearest triangle; -1 where there is none.
    weights
        float (rows, columns, 3): where in it, as weights of its corners.
    depth
        float (rows, columns): how near; minus infinity where there is nothing.
    """

    triangle: NDArray[np.int64]
    weights: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def any(self) -> NDArray[np.bool_]:
        """Where something is seen."""
        return self.triangle >= 0

    def mix(self, values: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float32]:
        """Interpolate the values of points, (points, n), at every pixel that sees something."""
        corners = values.astype(np.float32)[triangles[self.triangle[self.any]]]
        return np.einsum("pc,pcn->pn", self.weights[self.any], corners)


def rasterise(
    points: NDArray[np.float64], triangles: NDArray[np.int64], shape: tuple[int, int]
) -> Seen:
    """Project triangles straight onto a picture.

    Parameters
    ----------
    points
        float (n, 3): column, row and nearness, in pixels; a pixel's centre lies at its half.
    triangles
        int (m, 3), indices of points; they turn left round as seen from outside (as in glTF).
        Those turned away are not seen: surfaces are closed.
    shape
        Rows and columns.
    """
    rows, columns = shape
    corners = points.astype(np.float32)[triangles]
    fronts = np.flatnonzero(_turned_here(corners))
    triangle = np.full(rows * columns, -1, np.int64)
    weights = np.zeros((rows * columns, 3), np.float32)
    depth = np.full(rows * columns, -np.inf, np.float32)
    corners = corners[fronts]
    first = np.floor(corners[..., :2].min(axis=1)).astype(np.int64)
    span = np.floor(corners[..., :2].max(axis=1)).astype(np.int64) - first + 1
    size = span.max(axis=1, initial=1)
    for side in np.unique(size):
        alike = np.flatnonzero(size == side)
        for batch in np.array_split(alike, -(-alike.size * side**2 // AT_ONCE)):
            pixel, which, inside, near = _covered(corners[batch], first[batch], int(side), shape)
            nearer = near > depth[pixel]
            order = np.flatnonzero(nearer)[np.argsort(near[nearer], kind="stable")]
            at = pixel[order]  # of pixels that come twice the last one stays: the nearest
            triangle[at], weights[at], depth[at] = (
                fronts[batch[which[order]]],
                inside[order],
                near[order],
            )
    return Seen(triangle.reshape(shape), weights.reshape(*shape, 3), depth.reshape(shape))


def _turned_here(corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which triangles face the viewer; rows count downwards, so left round is negative."""
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0


def _covered(
    corners: NDArray[np.float32], first: NDArray[np.int64], side: int, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Give every pixel inside one of the triangles: where, in which, its weights and nearness."""
    (ax, ay, _), (bx, by, _), (cx, cy, _) = np.moveaxis(corners, 0, -1)[..., None]
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    # Weights are linear over the picture: where each begins, and what a pixel right or down adds.
    x, y = first[:, :1] + np.float32(0.5) - ax, first[:, 1:] + np.float32(0.5) - ay
    right = np.stack([(cy - ay) / area, -(by - ay) / area])
    down = np.stack([-(cx - ax) / area, (bx - ax) / area])
    start = right * x + down * y
    grid = np.arange(side, dtype=np.float32)
    b, c = ((start[n] + right[n] * grid)[:, None, :] + (down[n] * grid)[:, :, None] for n in (0, 1))
    which, at_row, at_column = np.nonzero((b >= -EDGE) & (c >= -EDGE) & (b + c <= 1 + EDGE))
    row, column = first[which, 1] + at_row, first[which, 0] + at_column
    within = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    which, at_row, at_column = which[within], at_row[within], at_column[within]
    b, c = b[which, at_row, at_column], c[which, at_row, at_column]
    shares = np.stack([1 - b - c, b, c], axis=-1)
    near = (shares * corners[which, :, 2]).sum(axis=1)
    return (row * shape[1] + column)[within], which, shares, near
