# SPDX-License-Identifier: Apache-2.0
"""Find the brain, its mid-plane and its frame in a whole head read at 3 mm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain import anatomy
from memoryguard.processor.domain.anatomy import Frame
from memoryguard.processor.domain.image import (
    Each,
    Grid,
    Image,
    box,
    sample,
    smoothed,
)

NOT_BRAIN: Final = ("background", "head", "csf")
NEAR_MM: Final = 4.0
"""The box is centred well enough when the brain's middle lies this near to its own."""
TOP_TO_BRAIN_MM: Final = 80.0
"""From the top of the head down to the middle of the brain: only a first guess."""

Read = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Soft:
    """Class probabilities (classes, i, j, k) on a grid, in the order of `names`."""

    names: tuple[str, ...]
    probability: NDArray[np.float32]
    grid: Grid

    def of(self, name: str) -> NDArray[np.float32]:
        """One class."""
        return self.probability[self.names.index(name)]

    def without(self, *names: str) -> NDArray[np.float32]:
        """Sum of all classes but these."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        total: NDArray[np.float32] = self.probability[kept].sum(0)
        return total


@dataclass(frozen=True, slots=True)
class Located:
    """The head at 3 mm, along its own frame."""

    whole: Soft
    frame: Frame
    intensity: NDArray[np.float32]
    """What the network saw, on the grid of `whole`."""


@dataclass(frozen=True, slots=True)
class Eye:
    """The whole-head network: its box and classes, and how it reads."""

    shape: tuple[int, int, int]
    spacing_mm: float
    centre_mm: tuple[float, float, float]
    names: tuple[str, ...]
    read: Read

    def look(self, smooth: Image, grid: Grid) -> tuple[Soft, NDArray[np.float32]]:
        """Read one box of a smoothed image; probabilities and the intensities that were seen."""
        seen = sample(smooth, grid, outside=float(smooth.voxels.min()))
        return Soft(self.names, self.read(seen), grid), seen

    def box_in(self, frame: Frame) -> Grid:
        """Return the network's box in a head's frame."""
        local = box(np.array(self.centre_mm), self.shape, self.spacing_mm)
        return Grid(self.shape, frame.ras_from_frame @ local.ras_from_ijk)


def locate(
    image: Image, eye: Eye, reference_mm: dict[str, list[float]], each: Each = map
) -> Located:
    """Read the whole head until its box is centred, then once more along its own frame.

    Parameters
    ----------
    image
        Axes in RAS order.
    eye
        The whole-head network.
    reference_mm
        Centroids of the mean head.
    each
        How the image is smoothed: slab after slab, or side by side by an executor's `map`.
    """
    centre = first_guess(image)
    image = smoothed(image, eye.spacing_mm, each)
    soft, seen = eye.look(image, box(centre, eye.shape, eye.spacing_mm))
    for _ in range(2):
        found = anatomy.centroid(soft.without(*NOT_BRAIN), soft.grid.points())
        if not np.isfinite(found).all() or float(np.linalg.norm(found - centre)) < NEAR_MM:
            break
        centre = found
        soft, seen = eye.look(image, box(centre, eye.shape, eye.spacing_mm))
    frame = frame_in(soft, reference_mm)
    if not frame.found:
        return Located(soft, frame, seen)
    soft, seen = eye.look(image, eye.box_in(frame))
    return Located(soft, frame_in(soft, reference_mm), seen)


def frame_in(whole: Soft, reference_mm: dict[str, list[float]]) -> Frame:
    """Fit the mean head to the structures found."""
    points = whole.grid.points()
    soft = {name: whole.of(name) for name in whole.names}
    middle = anatomy.centroid(whole.without(*NOT_BRAIN), points)
    found = anatomy.layout(soft, points, middle, whole.grid.voxel_volume_mm3)
    return anatomy.frame_of(found, reference_mm)


def first_guess(image: Image) -> NDArray[np.float64]:
    """Guess the middle of the brain: that of the head's upper part (world mm).

    Expects an image in RAS axis order; only a start, the network corrects it.
    """
    step = [max(1, round(6.0 / s)) for s in image.spacing_mm]
    values = image.voxels[:: step[0], :: step[1], :: step[2]]
    low, high = np.percentile(values, (5.0, 99.0))
    body = values > low + 0.15 * (high - low)
    ijk = np.indices(body.shape)[:, body] * np.array(step)[:, None]
    ras = image.ras_from_ijk[:3, :3] @ ijk + image.ras_from_ijk[:3, 3:]
    if ras.shape[1] == 0:
        return (
            image.ras_from_ijk[:3, :3] @ (np.array(image.voxels.shape) / 2)
            + (image.ras_from_ijk[:3, 3])
        )
    top = float(np.percentile(ras[2], 99.5))
    upper = ras[:, ras[2] > top - 2 * TOP_TO_BRAIN_MM]
    guess: NDArray[np.float64] = np.median(upper, axis=1)
    return guess
