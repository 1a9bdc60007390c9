# SPDX-License-Identifier: Apache-2.0
"""The tree in tiles of 256 hashes (C2SP tlog-tiles): how it is stored, published and read.

Tile ``(level, index)`` holds the nodes ``(8 * level, 256 * index …)`` of the tree; everything
between two levels of tiles is computed from them. A tile that is full never changes. The log's
right *edge* is what is not full yet: at most 255 hashes on each level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import HASH_BYTES, Coordinate, Frontier, NodeSource, node_hash

TILE_LEVELS = 8
"""Levels of the tree in one level of tiles (C2SP tlog-tiles: height 8)."""

TILE_WIDTH = 1 << TILE_LEVELS

TILE_BYTES = TILE_WIDTH * HASH_BYTES


class Tile(NamedTuple):
    """A tile as a row: its place, and its hashes one after the other (32 bytes each)."""

    level: int
    position: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds; 256 when it is full."""
        return len(self.hashes) // HASH_BYTES


@dataclass(frozen=True, slots=True)
class Edge:
    """The least that must be kept to append, and to prove what is behind the full tiles.

    Parameters
    ----------
    size
        Number of entries.
    levels
        For each level of tiles the hashes that are not in a full tile yet, one after the other;
        no trailing empty level.

    Raises
    ------
    ValueError
        If they cannot belong to that size.
    """

    size: int = 0
    levels: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        widths = [len(each) / HASH_BYTES for each in self.levels]
        if self.size < 0 or widths != edge_widths(self.size):
            raise ValueError(f"this cannot be the edge of a log of {self.size}")

    def append(self, hashes: Sequence[bytes]) -> tuple[Edge, list[Tile]]:
        """Append leaf hashes, in order; the new edge, and the tiles that are full now."""
        tiles, levels, fresh, level = list[Tile](), list[bytes](), b"".join(hashes), 0
        while fresh or level < len(self.levels):
            before = self.levels[level] if level < len(self.levels) else b""
            position = self.size >> (TILE_LEVELS * (level + 1))
            full, rest = _cut(before + fresh)
            tiles += [Tile(level, position + n, each) for n, each in enumerate(full)]
            levels.append(rest)
            fresh = b"".join(top_of(each) for each in full)
            level += 1
        while levels and not levels[-1]:
            levels.pop()
        return Edge(self.size + len(hashes), tuple(levels)), tiles

    @property
    def frontier(self) -> Frontier:
        """The complete subtrees that make up the log; its root is the log's."""
        return Frontier(self.size, tuple(h for row in self.levels[::-1] for h in _subtrees(row)))

    def tiles(self) -> Iterator[Tile]:
        """Give the partial tiles of the edge."""
        for level, hashes in enumerate(self.levels):
            if hashes:
                yield Tile(level, self.size >> (TILE_LEVELS * (level + 1)), hashes)


def edge_widths(size: int) -> list[int]:
    """Hashes on each level of the edge of a log of `size` entries; no trailing zero."""
    widths = list[int]()
    while size:
        widths.append(size % TILE_WIDTH)
        size >>= TILE_LEVELS
    return widths


def _subtrees(row: bytes) -> Iterator[bytes]:
    """Give the complete subtrees over the hashes of one level, largest first."""
    begin, width = 0, len(row) // HASH_BYTES
    for level in reversed(range(TILE_LEVELS)):
        if width >> level & 1:
            end = begin + (HASH_BYTES << level)
            yield top_of(row[begin:end])
            begin = end


def _cut(hashes: bytes) -> tuple[list[bytes], bytes]:
    """Cut hashes into full tiles and the rest."""
    end = len(hashes) - len(hashes) % TILE_BYTES
    return [hashes[at : at + TILE_BYTES] for at in range(0, end, TILE_BYTES)], hashes[end:]


def top_of(hashes: bytes) -> bytes:
    """Return the root of a complete subtree, given its lowest hashes one after the other."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


TileSource = Callable[[int, int], bytes | None]
"""``get(level, index)``: a tile's hashes as far as the log goes, None where there is no tile."""


def tile_of(node: Coordinate) -> Coordinate:
    """Return the tile that a node is read from."""
    level, index = node[0] // TILE_LEVELS, node[1]
    return level, index >> (TILE_LEVELS - node[0] % TILE_LEVELS)


def tiles_of(nodes: Iterable[Coordinate]) -> list[Coordinate]:
    """Return the tiles that nodes are read from, each once, so that a store can fetch them."""
    return sorted({tile_of(node) for node in nodes})


def node_in(node: Coordinate, hashes: bytes) -> bytes | None:
    """Compute a node from the hashes of its tile; None if the tile does not reach that far."""
    above = node[0] % TILE_LEVELS
    width = HASH_BYTES << above
    begin = (node[1] << above) % TILE_WIDTH * HASH_BYTES
    part = hashes[begin : begin + width]
    return top_of(part) if len(part) == width else None


def nodes_of(tiles: Mapping[Coordinate, bytes]) -> NodeSource:
    """Read nodes from fetched tiles.

    Raises
    ------
    Unverified
        ``missing_tile``, by the function returned.
    """

    def get(level: int, index: int) -> bytes:
        hashes = tiles.get(tile_of((level, index)))
        found = node_in((level, index), hashes) if hashes is not None else None
        if found is None:
            raise Unverified("missing_tile", f"no tile holds node {index} of level {level}")
        return found

    return get


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return a tile's path (C2SP tlog-tiles): ``tile/<level>/x001/x234/067[.p/<width>]``."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["x" + group for group in groups[:-1]] + [groups[-1]])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < TILE_WIDTH else "")


def tile_width(level: int, index: int, size: int) -> int:
    """Say how many hashes a tile holds in a log of `size` entries."""
    return max(0, min((size >> (TILE_LEVELS * level)) - index * TILE_WIDTH, TILE_WIDTH))


def tile_at(level: int, index: int, size: int) -> tuple[str, int] | None:
    """Path and width of a tile in a log of `size` entries; None where it holds nothing yet."""
    width = tile_width(level, index, size)
    return (tile_path(level, index, width), width) if width else None


def tiles_between(older: int, newer: int) -> Iterator[Coordinate]:
    """Give the tiles that hold more in a log of `newer` entries than in one of `older`.

    On each level they are one run, of which only the last may be partial.
    """
    level = 0
    while newer >> (TILE_LEVELS * level):
        before, now = (size >> (TILE_LEVELS * level) for size in (older, newer))
        if now > before:
            first, last = before // TILE_WIDTH, (now - 1) // TILE_WIDTH
            yield from ((level, index) for index in range(first, last + 1))
        level += 1
