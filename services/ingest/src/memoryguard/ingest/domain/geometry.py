# SPDX-License-Identifier: Apache-2.0
"""Where slices lie in the patient (LPS, mm), and whether they make one whole volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain import tags
from memoryguard.ingest.domain.elements import Dataset
from memoryguard.ingest.domain.values import item, numbers

FEWEST_SLICES = 20
LARGEST_SPACING_MM = 20.0
FARTHEST_MM = 10_000.0
DIRECTION_TOLERANCE = 1e-3
POSITION_TOLERANCE_MM = 0.05
"""What rounding on the way may do to a position; as far as readers of volumes allow."""
STEP_TOLERANCE = 0.01
"""Of the distance between slices; what readers of volumes allow as well (e.g. highdicom)."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """One slice: centre of its first pixel, directions of its rows and columns, spacing."""

    position: Vector
    along_row: Vector
    along_column: Vector
    row_spacing_mm: float
    column_spacing_mm: float

    @property
    def normal(self) -> Vector:
        """Unit vector through the slice: row direction times column direction."""
        (a, b, c), (d, e, f) = self.along_row, self.along_column
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    def numbers(self) -> list[float]:
        """Write it as eleven numbers."""
        spacing = (self.row_spacing_mm, self.column_spacing_mm)
        return [*self.position, *self.along_row, *self.along_column, *spacing]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Frame:
        """Read what `numbers` wrote."""
        vectors = (_vector(numbers[at : at + 3]) for at in (0, 3, 6))
        return cls(*vectors, row_spacing_mm=numbers[9], column_spacing_mm=numbers[10])


@dataclass(frozen=True, slots=True)
class Stack:
    """A whole volume of parallel slices, equally far apart.

    ``order`` sorts the frames along the normal; ``spacing_mm`` is between rows, columns, slices.
    """

    order: tuple[int, ...]
    spacing_mm: Vector


def frames_of(dataset: Dataset, count: int) -> tuple[Frame, ...]:
    """Read the place of every frame of a classic or an enhanced object.

    Raises
    ------
    Rejected
        ``missing_attribute``, ``bad_geometry``.
    """
    if not item(dataset, tags.PER_FRAME):
        return (_frame(dataset, dataset, dataset),) * count
    shared = item(dataset, tags.SHARED)
    per_frame = dataset[tags.PER_FRAME].items
    if len(per_frame) != count:
        raise Rejected("bad_geometry", "there are more or fewer frames than descriptions of them")
    return tuple(
        _frame(*(_group(own, shared, group) for group in _PLACE_GROUPS)) for own in per_frame
    )


def stack(frames: Sequence[Frame]) -> Stack:
    """Check that slices make one whole volume.

    Raises
    ------
    Rejected
        ``too_few_slices``, ``bad_geometry``, ``mixed_series``, ``incomplete_series``.
    """
    if len(frames) < FEWEST_SLICES:
        raise Rejected(
            "too_few_slices",
            f"fewer than {FEWEST_SLICES} slices are not a volume",
            "send the three-dimensional T1 series, all its slices",
        )
    first = frames[0]
    if not all(_parallel(first, frame) for frame in frames):
        raise Rejected("mixed_series", "slices of one series differ in direction or spacing")
    places = [_dot(frame.position, first.normal) for frame in frames]
    order = sorted(range(len(frames)), key=places.__getitem__)
    steps = [places[b] - places[a] for a, b in pairwise(order)]
    step = sorted(steps)[len(steps) // 2]
    _check_steps(steps, step)
    _check_upright([frames[index] for index in order])
    return Stack(tuple(order), (first.row_spacing_mm, first.column_spacing_mm, step))


_PLACE_GROUPS = (tags.PLANE_POSITION, tags.PLANE_ORIENTATION, tags.PIXEL_MEASURES)


def _group(own: Dataset, shared: Dataset, group: int) -> Dataset:
    return item(own, group) or item(shared, group)


def _frame(place: Dataset, orientation: Dataset, measures: Dataset) -> Frame:
    position = _required(place, tags.IMAGE_POSITION, "ImagePositionPatient", 3)
    directions = _required(orientation, tags.IMAGE_ORIENTATION, "ImageOrientationPatient", 6)
    spacing = _required(measures, tags.PIXEL_SPACING, "PixelSpacing", 2)
    along_row, along_column = directions[:3], directions[3:]
    skew = abs(_dot(along_row, along_column))
    lengths = (math.hypot(*along_row), math.hypot(*along_column))
    if max(skew, *(abs(length - 1.0) for length in lengths)) > DIRECTION_TOLERANCE:
        raise Rejected("bad_geometry", "the directions of a slice are not perpendicular and of 1")
    if not all(0.0 < value <= LARGEST_SPACING_MM for value in spacing):
        raise Rejected("bad_geometry", "PixelSpacing is not between 0 and 20 mm")
    if max(abs(value) for value in position) > FARTHEST_MM:
        raise Rejected("bad_geometry", "ImagePositionPatient is farther than 10 m")
    return Frame(_vector(position), _vector(along_row), _vector(along_column), *spacing)


def _required(dataset: Dataset, tag: int, keyword: str, count: int) -> tuple[float, ...]:
    element = dataset.get(tag)
    if element is None or not element.value:
        raise Rejected("missing_attribute", f"{keyword} is missing")
    found = numbers(dataset, tag)
    if found is None or len(found) != count:
        raise Rejected("bad_geometry", f"{keyword} is not {count} finite numbers")
    return found


def _vector(values: Sequence[float]) -> Vector:
    x, y, z = values
    return (x, y, z)


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _parallel(a: Frame, b: Frame) -> bool:
    pairs = zip(
        (*a.along_row, *a.along_column, a.row_spacing_mm, a.column_spacing_mm),
        (*b.along_row, *b.along_column, b.row_spacing_mm, b.column_spacing_mm),
        strict=True,
    )
    return all(abs(x - y) <= DIRECTION_TOLERANCE for x, y in pairs)


def _check_steps(steps: Sequence[float], step: float) -> None:
    if min(steps) <= POSITION_TOLERANCE_MM:
        raise Rejected("mixed_series", "two slices of one series lie at the same place")
    if step > LARGEST_SPACING_MM:
        raise Rejected("bad_geometry", "slices are more than 20 mm apart")
    tolerance = max(STEP_TOLERANCE * step, POSITION_TOLERANCE_MM)
    if max(abs(value - step) for value in steps) > tolerance:
        raise Rejected(
            "incomplete_series", "slices are missing or unequally far apart", "send all of them"
        )


def _check_upright(frames: Sequence[Frame]) -> None:
    """Each slice must lie straight above the first: a sheared stack is not a box of voxels."""
    first, last = frames[0], frames[-1]
    extent = _dot(last.position, first.normal) - _dot(first.position, first.normal)
    tolerance = max(STEP_TOLERANCE * extent / len(frames), DIRECTION_TOLERANCE * extent)
    for frame in frames:
        moved = [b - a for a, b in zip(first.position, frame.position, strict=True)]
        sideways = (_dot(moved, first.along_row), _dot(moved, first.along_column))
        if math.hypot(*sideways) > max(tolerance, POSITION_TOLERANCE_MM):
            raise Rejected("bad_geometry", "the slices are shifted against each other (tilted)")
