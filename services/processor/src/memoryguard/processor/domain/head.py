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
from memoryguard.processor.domain.image import Grid, Image, cut, sample, smoothed, surroundings

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


def read_lattice(image: Image, grid: Grid) -> NDArray[np.float32]:
    """Intensities (float32) on the lattice, trilinear; blurred first where the image is finer."""
    spacing_mm = float(np.cbrt(grid.voxel_volume_mm3))
    near = smoothed(surroundings(image, grid, 3 * spacing_mm), spacing_mm)
    values = sample(near, grid, outside=float(image.voxels.min()))
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

    def target(self, name: str, side: str, opposite: str) -> str:
        """Name of a class as seen from one side."""
        if name.endswith("_other"):
            return f"{name.removesuffix('_other')}_{opposite}"
        return f"{name}_{side}" if name in self.sided else name


def inside_of(box: Box, span: Box) -> Box:
    """Index range of a box within another that holds it."""
    i, j, k = (slice(b.start - s.start, b.stop - s.start) for b, s in zip(box, span, strict=True))
    return i, j, k


def both_sides(
    look: Look, read: Read, voxels: NDArray[np.float32]
) -> tuple[dict[str, Part], float]:
    """Let a one-sided network read both halves of the head, and join what it says.

    Overlapping boxes are blended. Classes known from both sides are handed over at the
    mid-plane; a sided class without an ``_other`` is taken from its own side alone.

    Parameters
    ----------
    look, read
        The network.
    voxels
        float32 on the lattice.

    Returns
    -------
    parts : dict
        Every structure, paired ones with ``_left`` and ``_right``, all over the same range.
    difference : float
        Mean absolute difference between overlapping boxes in the probability of white matter:
        the network's shifted and mirrored second look at the same voxels.
    """
    span = look.span()
    shape = tuple(s.stop - s.start for s in span)
    shared = {n for n in look.classes if n not in look.sided or f"{n}_other" in look.classes}
    total: dict[str, NDArray[np.float32]] = {}
    joint = np.zeros(shape, np.float32)
    seen = np.full(shape, np.nan, np.float32)
    watched = [i for i, n in enumerate(look.classes) if n.removesuffix("_other") == "white"]
    difference, twice = 0.0, 0
    for turned, (side, opposite) in enumerate((("left", "right"), ("right", "left"))):
        view = voxels[::-1] if turned else voxels
        own = np.zeros(shape, np.float32)
        alone: dict[str, NDArray[np.float32]] = {}
        flip = slice(None, None, -1 if turned else 1)
        for place, centre in enumerate(look.centres_mm):
            box = box_at(centre, look.shape)
            here = inside_of(box, span)
            weight = _box_weight(look.shape)
            handed = weight * _left_weight(box)
            own[flip][here] += weight
            joint[flip][here] += handed
            probability = read(view[box], place)
            white, before = probability[watched].sum(0), seen[flip][here]
            again = np.isfinite(before)
            difference += float(np.abs(white - before)[again].sum(dtype=np.float64))
            twice += int(again.sum())
            seen[flip][here] = white
            for p, name in zip(probability, look.classes, strict=True):
                mixed = name in shared or name.endswith("_other")
                store = total if mixed else alone
                key = look.target(name, side, opposite)
                field = store.setdefault(key, np.zeros(shape, np.float32))
                field[flip][here] += p * (handed if mixed else weight)
        for key, field in alone.items():
            np.divide(field, own, out=field, where=own > 0)
            total[f"{key} alone"] = field
    out: dict[str, Part] = {}
    for key, field in total.items():
        if not key.endswith(" alone"):
            np.divide(field, joint, out=field, where=joint > 0)
        out[key.removesuffix(" alone")] = Part(field, span)
    return out, difference / max(twice, 1)


def join(tissue: dict[str, Part], deep: dict[str, Part], loose: tuple[str, ...]) -> None:
    """Make both readings one distribution, in place.

    Inside the range of `deep` its structures keep their probabilities; what they leave is shared
    among the tissues as these stand, without the `loose` ones that only stand for structures.
    """
    some = next(iter(deep.values()))
    taken = np.clip(sum(part.probability for part in deep.values()), 0.0, 1.0)
    views = {name: part.probability[some.box] for name, part in tissue.items()}
    rest = sum(view for name, view in views.items() if name not in loose)
    left = np.clip((1.0 - taken) / np.maximum(rest, 0.05), 0.0, 20.0)
    for name, view in views.items():
        view *= 0.0 if name in loose else left
