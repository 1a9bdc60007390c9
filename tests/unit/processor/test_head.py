# SPDX-License-Identifier: Apache-2.0
"""The lattice, the boxes on it, and what becomes of two one-sided readings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from memoryguard.processor.domain.anatomy import Frame
from memoryguard.processor.domain.head import (
    FIRST_MM,
    SHAPE,
    Look,
    Part,
    both_sides,
    box_at,
    join,
    lattice,
    overrule,
    read_lattice,
)
from memoryguard.processor.domain.image import Image

LOOK = Look(
    shape=(80, 104, 80),
    centres_mm=((-32.0, -42.0, -29.0), (-32.0, 42.0, -29.0), (-32.0, -42.0, 43.0),
                (-32.0, 42.0, 43.0)),
    classes=("outside", "white", "white_other", "thalamus", "fluid"),
    sided=("white", "thalamus"),
)  # fmt: skip


def frame(scale: float = 1.0) -> Frame:
    return Frame(np.diag([scale, scale, scale, 1.0]), 0.0, 20)


def head() -> NDArray[np.float32]:
    """1 is left white, 2 right white, 3 a left and 4 a right nucleus, 5 fluid in the middle."""
    voxels = np.zeros(SHAPE, np.float32)
    voxels[30:72, 60:140, 40:110] = 1
    voxels[72:114, 60:140, 40:110] = 2
    voxels[60:71, 80:100, 60:80] = 3
    voxels[73:84, 80:100, 60:80] = 4
    voxels[68:76, 110:130, 60:80] = 5
    return voxels


def reader(seen: list[int]):
    """Answer as a perfect one-sided network would; the right side arrives mirrored."""
    places = [box_at(centre, LOOK.shape) for centre in LOOK.centres_mm]

    def read(box: NDArray[np.float32], place: int) -> NDArray[np.float32]:
        seen.append(place)
        mirrored = len(seen) > len(places)
        own, other, nucleus = (2, 1, 4) if mirrored else (1, 2, 3)
        known = [box == own, box == other, box == nucleus, box == 5]
        rest = ~np.any(known, axis=0)
        return np.stack([rest, *known]).astype(np.float32)

    return read


def test_the_lattice_is_symmetric_and_holds_every_box() -> None:
    grid = lattice(frame(1.1))
    assert grid.voxel_volume_mm3 == pytest.approx(1.1**3)
    first = grid.ras_from_ijk @ [0, 0, 0, 1]
    last = grid.ras_from_ijk @ [SHAPE[0] - 1, 0, 0, 1]
    np.testing.assert_allclose(first[:3], np.array(FIRST_MM) * 1.1)
    assert first[0] == pytest.approx(-last[0])
    for centre in LOOK.centres_mm:
        for part, size in zip(box_at(centre, LOOK.shape), SHAPE, strict=True):
            assert 0 <= part.start < part.stop <= size


def test_grey_values_reach_their_place() -> None:
    voxels = np.zeros((60, 60, 60), np.float32)
    voxels[20:41, 30:51, 25:46] = 100.0
    place = np.eye(4)
    place[:3, 3] = -30.0
    seen = read_lattice(Image(voxels, place), lattice(frame(1.0)))
    assert seen.shape == SHAPE
    at = np.argwhere(seen > 50) + FIRST_MM
    np.testing.assert_allclose(at.mean(0), (0.0, 10.0, 5.0), atol=0.51)


def test_two_perfect_halves_make_the_head_again() -> None:
    voxels, seen = head(), []
    blend = both_sides(LOOK, reader(seen), voxels)
    parts = blend.parts()
    assert seen == [0, 1, 2, 3, 0, 1, 2, 3]
    assert blend.difference == 0.0
    span = parts["outside"].box
    for name, value in {"white_left": 1, "white_right": 2, "thalamus_left": 3,
                        "thalamus_right": 4, "fluid": 5}.items():  # fmt: skip
        np.testing.assert_allclose(parts[name].probability, voxels[span] == value, atol=1e-6)
    # Near the mid-plane the other side does not know the nucleus by name: join() settles that.
    total = np.asarray(sum(part.probability for part in parts.values()))
    np.testing.assert_allclose(total[:64], 1.0, atol=1e-6)
    np.testing.assert_allclose(total[80:], 1.0, atol=1e-6)
    with ThreadPoolExecutor(4) as pool:
        side_by_side = both_sides(LOOK, reader([]), voxels, pool.map).parts()
    for name, part in parts.items():
        np.testing.assert_array_equal(side_by_side[name].probability, part.probability)


def test_looks_that_disagree_are_noticed() -> None:
    turns: list[int] = []

    def read(box: NDArray[np.float32], place: int) -> NDArray[np.float32]:
        turns.append(place)
        p = np.zeros((5, *box.shape), np.float32)
        p[1] = len(turns) % 2
        return p

    assert 0.2 < both_sides(LOOK, read, head()).difference <= 1.0


def test_join_keeps_the_deep_and_shares_out_the_rest() -> None:
    span = (slice(0, 4), slice(0, 4), slice(0, 4))
    inner = (slice(1, 3), slice(1, 3), slice(1, 3))

    def part(value: float, box: tuple[slice, slice, slice] = span) -> Part:
        return Part(np.full([s.stop - s.start for s in box], value, np.float32), box)

    tissue = {"white": part(0.3), "cortex": part(0.1), "deep_grey": part(0.6)}
    deep = {"thalamus": part(0.2, inner)}
    join(tissue, deep, ("deep_grey",))
    assert tissue["white"].probability[2, 2, 2] == pytest.approx(0.6)
    assert tissue["cortex"].probability[2, 2, 2] == pytest.approx(0.2)
    assert tissue["deep_grey"].probability[2, 2, 2] == 0.0
    assert tissue["deep_grey"].probability[0, 0, 0] == pytest.approx(0.6)
    assert deep["thalamus"].volume() == pytest.approx(8 * 0.2)


def test_a_closer_look_overrules_and_the_rest_stays_one_distribution() -> None:
    span = (slice(2, 6), slice(0, 4), slice(0, 4))
    inner = (slice(3, 5), slice(1, 3), slice(1, 3))

    def part(value: float, box: tuple[slice, slice, slice] = span) -> Part:
        return Part(np.full([s.stop - s.start for s in box], value, np.float32), box)

    coarse = {"hippocampus": part(0.4), "white": part(0.4), "csf": part(0.2)}
    overrule(coarse, {"hippocampus": part(0.8, inner)})
    seen = {name: float(p.probability[2, 2, 2]) for name, p in coarse.items()}
    assert seen == pytest.approx({"hippocampus": 0.8, "white": 0.2 * 2 / 3, "csf": 0.2 / 3})
    assert {name: float(p.probability[0, 0, 0]) for name, p in coarse.items()} == pytest.approx(
        {"hippocampus": 0.4, "white": 0.4, "csf": 0.2}
    )
