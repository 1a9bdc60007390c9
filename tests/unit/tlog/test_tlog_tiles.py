# SPDX-License-Identifier: Apache-2.0
"""Tiles hold the same tree as its nodes, whatever comes in which batches."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import (
    Frontier,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from memoryguard.tlog.tiles import (
    TILE_BYTES,
    Edge,
    edge_widths,
    node_in,
    nodes_of,
    tile_at,
    tile_of,
    tile_path,
    tile_width,
    tiles_between,
    tiles_of,
)

LEAVES = [leaf_hash(n.to_bytes(4)) for n in range(70_000)]
FULL = 256 * 256 + 256 + 3


def appended(batches: list[int]) -> tuple[Edge, dict[tuple[int, int], bytes]]:
    edge, tiles, at = Edge(), dict[tuple[int, int], bytes](), 0
    for count in batches:
        edge, full = edge.append(LEAVES[at : at + count])
        for level, position, hashes in full:
            assert len(hashes) == TILE_BYTES
            assert tiles.setdefault((level, position), hashes) is hashes, "a tile came twice"
        at += count
    return edge, tiles


def readable(edge: Edge, tiles: dict[tuple[int, int], bytes]) -> dict[tuple[int, int], bytes]:
    return {(t.level, t.position): t.hashes for t in edge.tiles()} | tiles


@given(st.lists(st.integers(0, 700), max_size=12))
def test_batches_of_any_size_give_the_same_tiles_and_root(batches: list[int]) -> None:
    size = sum(batches)
    edge, tiles = appended(batches)
    once, all_at_once = appended([size])
    assert (edge, tiles) == (once, all_at_once)
    assert edge.frontier == Frontier().append(LEAVES[:size])[0]
    assert edge.frontier.root == root_of(LEAVES[:size])


def test_every_node_is_read_from_its_tile() -> None:
    edge, tiles = appended([FULL])
    assert edge.size == FULL
    assert {level for level, _ in tiles} == {0, 1}
    assert [t.width for t in edge.tiles()] == [3, 1, 1]
    get = nodes_of(readable(edge, tiles))
    for level, position, value in Frontier().append(LEAVES[:FULL])[1]:
        assert get(level, position) == value


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_proofs_from_tiles_verify(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, FULL))
    index, before = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    edge, tiles = appended([size])
    root = edge.frontier.root
    parts = [*inclusion_nodes(index, size), *consistency_nodes(before, size)]
    wanted = tiles_of(node for part in parts for node in part)
    stored = readable(edge, tiles)
    get = nodes_of({tile: stored[tile] for tile in wanted})
    verify_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, get), root)
    older = root_of(LEAVES[:before])
    verify_consistency(before, size, consistency_proof(before, size, get), older, root)


def test_a_tile_that_is_not_there_or_too_short_is_an_error() -> None:
    get = nodes_of({(0, 0): LEAVES[0] + LEAVES[1]})
    assert get(1, 0) == root_of(LEAVES[:2])
    for node in ((0, 2), (2, 0), (0, 256), (8, 0)):
        with pytest.raises(Unverified, match="missing_tile"):
            get(*node)
    assert node_in((1, 0), LEAVES[0]) is None


@pytest.mark.parametrize(
    ("size", "levels"),
    [(1, ()), (0, (LEAVES[0],)), (1, (LEAVES[0], LEAVES[1])), (256, (b"", b"")), (-1, ()),
     (1, (b"x",)), (2, (LEAVES[0],)), (256, (b"".join(LEAVES[:256]),))],
)  # fmt: skip
def test_an_edge_that_cannot_be_is_refused(size: int, levels: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be the edge"):
        Edge(size, levels)


def test_widths_of_the_edge() -> None:
    assert edge_widths(0) == []
    assert edge_widths(255) == [255]
    assert edge_widths(256) == [0, 1]
    assert edge_widths(256**2 + 5) == [5, 0, 1]


def test_paths_are_those_of_the_specification() -> None:
    """C2SP tlog-tiles: "tile/0/x001/x234/067" is tile 1234067; ".p/8" a partial one."""
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 273, 8) == "tile/1/273.p/8"
    assert tile_path(0, 0) == "tile/0/000"
    assert tile_path(2, 1000) == "tile/2/x001/000"


@pytest.mark.parametrize(
    ("size", "at", "expected"),
    [(1, (0, 0), ("tile/0/000.p/1", 1)), (256, (0, 0), ("tile/0/000", 256)), (256, (0, 1), None),
     (256, (1, 0), ("tile/1/000.p/1", 1)), (255, (1, 0), None),
     (70_000, (0, 273), ("tile/0/273.p/112", 112)),
     (70_000, (1, 1), ("tile/1/001.p/17", 17)), (70_000, (2, 0), ("tile/2/000.p/1", 1))],
)  # fmt: skip
def test_how_far_a_tile_reaches(
    size: int, at: tuple[int, int], expected: tuple[str, int] | None
) -> None:
    """With the example of C2SP tlog-tiles: a log of 70,000 entries."""
    assert tile_at(*at, size) == expected


def test_the_tile_of_a_node() -> None:
    assert tile_of((0, 255)) == (0, 0)
    assert tile_of((7, 1)) == (0, 0)
    assert tile_of((8, 0)) == (1, 0)
    assert tile_of((15, 3)) == (1, 1)


def test_a_leaf_hash_is_what_it_always_was() -> None:
    assert LEAVES[0] == hashlib.sha256(b"\0" + bytes(4)).digest()


@given(st.integers(0, FULL + 70_000), st.integers(0, FULL + 70_000))
@settings(max_examples=50, deadline=None)
def test_what_grows_between_two_sizes_is_named_once(size1: int, size2: int) -> None:
    older, newer = sorted((size1, size2))
    named = list(tiles_between(older, newer))
    assert named == [
        (level, index)
        for level in range(3)
        for index in range(newer // 256 ** (level + 1) + 1)
        if tile_width(level, index, newer) > tile_width(level, index, older)
    ]
