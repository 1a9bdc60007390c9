# SPDX-License-Identifier: Apache-2.0
"""The head on its own lattice: read once, looked at box by box, put together again.

The lattice lies along the head's frame (see anatomy.py): x = 0 is the mid-plane, one voxel is
one millimetre of a mean-sized head. It is symmetric, so that flipping its first axis shows the
right half as a left one; one network serves both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.anatomy import Frame
from memoryguard.processor.domain.image import (
    Each,
    Grid,
    Image,
    cut,
    in_slabs,
    sample,
    smoothed,
    surroundings,
)

SHAPE: Final = (144, 188, 152)
FIRST_MM: Final = (-71.5, -93.5, -68.5)
"""Centre of the lattice's first voxel in the frame."""
BLEND_MM: Final = 8.0
"""Over this distance one box hands over to the next, and the left side to the right."""

Box = tuple[slice, slice, slice]
Read = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


def lattice(frame: Frame) -> Grid:
    """Return the head's lattice in the world."""
    start = np.eye(4)
    start[:3, 3] = FIRST_MM
    return Grid(SHAPE, frame.ras_from_frame @ start)


def read_lattice(image: Image, grid: Grid, each: Each = map) -> NDArray[np.float32]:
    """Intensities (float32) on the lattice, trilinear; blurred first where the image is finer."""
    spacing_mm = float(np.cbrt(grid.voxel_volume_mm3))
    near = smoothed(surroundings(image, grid, 3 * spacing_mm), spacing_mm, each)
    outside = float(image.voxels.min())
    values = in_slabs(lambda slab: sample(near, slab, outside=outside), grid, each)
    return np.asarray(values, np.float32)


def box_at(centre_mm: tuple[float, float, float], shape: tuple[int, int, int]) -> Box:
    """Index range on the lattice of a box around a point of the frame."""
    start = [
        round(c - (n - 1) / 2 - first)
        for c, n, first in zip(centre_mm, shape, FIRST_MM, strict=True)
    ]
    i, j, k = (slice(s, s + n) for s, n in zip(start, shape, strict=True))
    return i, j, k


@dataclass(frozen=True, slots=True)
class Part:
    """Probability (float32) of one structure in an index range of the lattice."""

    probability: NDArray[np.float32]
    box: Box

    def volume(self) -> float:
        """Sum of the probabilities, in voxels of the lattice."""
        return float(self.probability.sum(dtype=np.float64))

    def grid(self, whole: Grid) -> Grid:
        """Return where it lies in the world."""
        return cut(whole, self.box)


def added(parts: Mapping[str, Part], names: Iterable[str], span: Box) -> NDArray[np.float32]:
    """Sum of structures over an index range that holds them all, at most 1."""
    total = np.zeros([s.stop - s.start for s in span], np.float32)
    for name in names:
        total[inside_of(parts[name].box, span)] += parts[name].probability
    return np.minimum(total, 1.0, out=total)


def _ramp(n: int) -> NDArray[np.float32]:
    """Weight along one axis of a box: falls towards both ends, never to nothing."""
    to_end = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
    return np.clip(to_end / BLEND_MM, 0.02, 1.0).astype(np.float32)


def _box_weight(shape: tuple[int, ...]) -> NDArray[np.float32]:
    i, j, k = (_ramp(n) for n in shape)
    return i[:, None, None] * j[None, :, None] * k[None, None, :]


def _left_weight(box: Box) -> NDArray[np.float32]:
    """Weight of a left-sided box along x: 1 on the left, 0 on the right of the mid-plane."""
    x = np.arange(box[0].start, box[0].stop) + FIRST_MM[0]
    return np.clip(0.5 - x / (2 * BLEND_MM), 1e-3, 1.0).astype(np.float32)[:, None, None]


@dataclass(frozen=True, slots=True)
class Look:
    """Where a one-sided network looks and what it names."""

    shape: tuple[int, int, int]
    centres_mm: tuple[tuple[float, float, float], ...]
    classes: tuple[str, ...]
    sided: tuple[str, ...]

    def span(self) -> Box:
        """Index range that holds every box of both sides."""
        boxes = [box_at(c, self.shape) for c in self.centres_mm]
        low = [min(b[axis].start for b in boxes) for axis in range(3)]
        high = [max(b[axis].stop for b in boxes) for axis in range(3)]
        return slice(low[0], SHAPE[0] - low[0]), slice(low[1], high[1]), slice(low[2], high[2])

    def target(self, name: str, side: str) -> str:
        """Name of a class as seen from one side."""
        if name.endswith("_other"):
            return f"{name.removesuffix('_other')}_{'right' if side == 'left' else 'left'}"
        return f"{name}_{side}" if name in self.sided else name


def inside_of(box: Box, span: Box) -> Box:
    """Index range of a box within another that holds it."""
    i, j, k = (slice(b.start - s.start, b.stop - s.start) for b, s in zip(box, span, strict=True))
    return i, j, k


class Blend:
    """What one-sided boxes say, summed up with their weights.

    Overlapping boxes are blended. Classes known from both sides are handed over at the
    mid-plane; a sided class without an ``_other`` is taken from its own side alone.
    """

    def __init__(self, look: Look) -> None:
        self.look, self.span = look, look.span()
        self._shape = tuple(s.stop - s.start for s in self.span)
        self._shared = {
            name
            for name in look.classes
            if name not in look.sided or f"{name}_other" in look.classes
        }
        self._white = [i for i, n in enumerate(look.classes) if n.removesuffix("_other") == "white"]
        self._sums: dict[str, tuple[NDArray[np.float32], str]] = {}
        self._weights = {kind: self._empty() for kind in ("left", "right", "both")}
        self._seen = np.full(self._shape, np.nan, np.float32)
        self._weighted = np.empty(look.shape, np.float32)
        self._difference, self._twice = 0.0, 0

    def _empty(self) -> NDArray[np.float32]:
        return np.zeros(self._shape, np.float32)

    def add(self, side: str, box: Box, probability: NDArray[np.float32]) -> None:
        """Take in one box (classes, i, j, k) as that side sees it: the right one mirrored."""
        flip = slice(None, None, 1 if side == "left" else -1)
        here = inside_of(box, self.span)
        weights = {side: _box_weight(self.look.shape)}
        weights["both"] = weights[side] * _left_weight(box)
        for kind, weight in weights.items():
            self._weights[kind][flip][here] += weight
        for p, name in zip(probability, self.look.classes, strict=True):
            kind = "both" if name in self._shared or name.endswith("_other") else side
            key = self.look.target(name, side)
            if key not in self._sums:
                self._sums[key] = (self._empty(), kind)
            field = self._sums[key][0]
            np.multiply(p, weights[kind], out=self._weighted)
            field[flip][here] += self._weighted
        self._compare(self._seen[flip][here], probability[self._white].sum(0))

    def _compare(self, before: NDArray[np.float32], white: NDArray[np.float32]) -> None:
        """Set white matter beside what an earlier box said of the same voxels, and keep it."""
        again = np.isfinite(before)
        self._difference += float(np.abs(white - before)[again].sum(dtype=np.float64))
        self._twice += int(again.sum())
        before[...] = white

    @property
    def difference(self) -> float:
        """Mean absolute difference of overlapping boxes in the probability of white matter."""
        return self._difference / max(self._twice, 1)

    def parts(self) -> dict[str, Part]:
        """Every structure over the same range, paired ones with ``_left`` and ``_right``."""
        out: dict[str, Part] = {}
        for key, (field, kind) in self._sums.items():
            weight = self._weights[kind]
            np.divide(field, weight, out=field, where=weight > 0)
            out[key] = Part(field, self.span)
        return out


def both_sides(look: Look, read: Read, voxels: NDArray[np.float32], each: Each = map) -> Blend:
    """Let a one-sided network read both halves of the head.

    Parameters
    ----------
    look, read
        The network.
    voxels
        float32 on the lattice.
    each
        How boxes are read: one after the other, or side by side by an executor's `map`. They are
        summed in one order either way.
    """
    boxes = [box_at(centre, look.shape) for centre in look.centres_mm]
    jobs = [(side, place) for side in ("left", "right") for place in range(len(boxes))]

    def read_one(job: tuple[str, int]) -> NDArray[np.float32]:
        side, place = job
        return read((voxels if side == "left" else voxels[::-1])[boxes[place]], place)

    blend = Blend(look)
    for (side, place), probability in zip(jobs, each(read_one, jobs), strict=True):
        blend.add(side, boxes[place], probability)
    return blend


def join(coarse: dict[str, Part], fine: dict[str, Part], loose: Iterable[str]) -> None:
    """Make two readings one distribution, in place of the coarse one.

    Inside the range of `fine` its structures keep their probabilities; what they leave is shared
    among the coarse ones as these stand, without the `loose` ones that only stand for structures.
    """
    box, loose = next(iter(fine.values())).box, set(loose)
    taken = np.clip(sum(part.probability for part in fine.values()), 0.0, 1.0)
    views = {name: part.probability[inside_of(box, part.box)] for name, part in coarse.items()}
    rest = sum(view for name, view in views.items() if name not in loose)
    left = np.clip((1.0 - taken) / np.maximum(rest, 0.05), 0.0, 20.0)
    for name, view in views.items():
        view *= 0.0 if name in loose else left


def overrule(coarse: dict[str, Part], fine: dict[str, Part]) -> None:
    """Let a closer look decide about its structures where it looks, in place.

    What it leaves is shared among the other structures as these stand.
    """
    join(coarse, fine, fine)
    for name, part in fine.items():
        coarse[name].probability[inside_of(part.box, coarse[name].box)] = part.probability
