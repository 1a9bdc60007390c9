# SPDX-License-Identifier: Apache-2.0
"""The brain in three dimensions: structures in colour inside a shell that light falls through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memoryguard.api.report.files import Surface
from memoryguard.api.report.raster import Seen, rasterise

Colour = tuple[int, int, int]

SAMPLES = 2
"""A pixel of the picture is the mean of so many squared: edges come out smooth."""
MARGIN = 0.02
LIGHT = np.array((-0.35, 0.55, 0.76))
AMBIENT = 0.42
GLASS: Colour = (118, 137, 160)
CLEAR, RIM = 0.13, 0.62
"""How much the shell covers where it is looked at squarely, and how much more at its rim."""


def view_from(azimuth_degrees: float, elevation_degrees: float) -> NDArray[np.float64]:
    """Rotation from RAS to right, up and towards the viewer.

    Parameters
    ----------
    azimuth_degrees
        Where the viewer stands: 0 in front of the face, 90 at the person's left.
    elevation_degrees
        How far above.
    """
    azimuth, elevation = np.radians((azimuth_degrees, elevation_degrees))
    # From the person's front (+A) towards their left (-R).
    ahead = np.array((-np.sin(azimuth), np.cos(azimuth), 0.0))
    towards = np.cos(elevation) * ahead + np.sin(elevation) * np.array((0.0, 0.0, 1.0))
    right = np.cross((0.0, 0.0, 1.0), ahead)
    return np.stack([right, np.cross(towards, right), towards])


def draw(
    solids: Sequence[tuple[Surface, Colour]],
    shell: Sequence[Surface],
    view: NDArray[np.float64],
    width: int,
) -> NDArray[np.uint8]:
    """Draw structures inside a shell.

    Parameters
    ----------
    solids
        What is opaque, and its colours.
    shell
        What is seen through.
    view
        See `view_from`.
    width
        Of the picture, in pixels; the height follows from the brain.

    Returns
    -------
    NDArray
        uint8 (rows, columns, 3) on white.
    """
    frame = _Frame.around([*(surface for surface, _ in solids), *shell], view, width)
    picture = np.full((*frame.shape, 3), 255, np.float32)
    depth = np.full(frame.shape, -np.inf, np.float32)
    if solids:
        inner, facing = frame.seen([surface for surface, _ in solids])
        colours = np.repeat(
            np.array([colour for _, colour in solids], np.float32),
            [len(surface.triangles) for surface, _ in solids],
            axis=0,
        )
        picture[inner.any] = colours[inner.triangle[inner.any]] * _lit(facing)[:, None]
        depth = inner.depth
    if shell:
        outer, facing = frame.seen(shell)
        cover = (CLEAR + RIM * (1 - np.abs(facing[:, 2])) ** 1.6)[:, None]
        cover[(outer.depth < depth)[outer.any]] = 0
        glass = np.array(GLASS, np.float32) * (0.55 + 0.6 * _lit(facing))[:, None]
        picture[outer.any] += cover * (np.minimum(glass, 255) - picture[outer.any])
    return _smaller(picture)


@dataclass(frozen=True, slots=True)
class _Frame:
    """How points come onto the picture, in samples."""

    view: NDArray[np.float64]
    middle: NDArray[np.float64]
    scale: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, parts: Sequence[Surface], view: NDArray[np.float64], width: int) -> _Frame:
        turned = np.concatenate([part.points_mm for part in parts]) @ view.T
        low, high = turned.min(axis=0), turned.max(axis=0)
        scale = width * SAMPLES * (1 - 2 * MARGIN) / (high[0] - low[0])
        height = scale * (high[1] - low[1]) / (1 - 2 * MARGIN) / SAMPLES
        shape = (int(np.ceil(height)) * SAMPLES, width * SAMPLES)
        return cls(view, (low + high) / 2, scale, shape)

    def seen(self, parts: Sequence[Surface]) -> tuple[Seen, NDArray[np.float32]]:
        """What is seen of surfaces, and which way they face where they are: right, up, here."""
        points, normals, triangles = _joined(parts)
        place = (points @ self.view.T - self.middle) * self.scale * (1, -1, 1)
        place += (self.shape[1] / 2, self.shape[0] / 2, 0)
        found = rasterise(place, triangles, self.shape)
        facing = found.mix(normals @ self.view.T, triangles)
        return found, facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)


def _joined(
    parts: Sequence[Surface],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Put surfaces into one, in their order."""
    starts = np.cumsum([0, *(len(part.points_mm) for part in parts)])
    return (
        np.concatenate([part.points_mm for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([p.triangles + s for p, s in zip(parts, starts, strict=False)]),
    )


def _lit(facing: NDArray[np.float32]) -> NDArray[np.float32]:
    """How bright a surface is, from its normals: light comes from the upper left."""
    falling = np.clip(facing @ (LIGHT / np.linalg.norm(LIGHT)).astype(np.float32), 0, 1)
    return AMBIENT + (1 - AMBIENT) * falling


def _smaller(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    step = SAMPLES
    rows, columns = picture.shape[0] // step, picture.shape[1] // step
    mean = picture.reshape(rows, step, columns, step, 3).mean(axis=(1, 3))
    return np.clip(np.rint(mean), 0, 255).astype(np.uint8)


def coloured(
    surfaces: Mapping[str, Surface], colours: Mapping[str, Colour], shell: Sequence[str]
) -> tuple[list[tuple[Surface, Colour]], list[Surface]]:
    """Part the surfaces into what gets a colour and what is seen through; the rest is left out."""
    solids = [(surfaces[name], colours[name]) for name in sorted(surfaces) if name in colours]
    return solids, [surfaces[name] for name in shell if name in surfaces]
