# SPDX-License-Identifier: Apache-2.0
"""Entries between two checkpoints, and where they differ from what was signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from memoryguard.tlog.merkle import (
    HASH_BYTES,
    Frontier,
    Node,
    node_hash,
    root_nodes,
    root_of,
)

StoredNodes = Callable[[int, int], bytes | None]
"""``get(level, index)``: what a store has for that node, believed only once it is proved."""

_CHUNK_ENTRIES = 4096


class Window:
    """Leaf hashes computed from entries that no checkpoint vouches for yet.

    Parameters
    ----------
    start
        Frontier at the last size that a checkpoint did vouch for.
    """

    def __init__(self, start: Frontier) -> None:
        self.start = start
        self.hashes: list[bytes] = []

    @property
    def size(self) -> int:
        """Size of the log with the window's entries."""
        return self.start.size + len(self.hashes)

    def frontier(self) -> Frontier:
        """Frontier of the log with the window's entries."""
        frontier = self.start
        for begin in range(0, len(self.hashes), _CHUNK_ENTRIES):
            frontier, _ = frontier.append(self.hashes[begin : begin + _CHUNK_ENTRIES])
        return frontier

    def nodes(self) -> Iterator[Node]:
        """Nodes that the window's entries complete."""
        frontier = self.start
        for begin in range(0, len(self.hashes), _CHUNK_ENTRIES):
            frontier, nodes = frontier.append(self.hashes[begin : begin + _CHUNK_ENTRIES])
            yield from nodes

    def replaced(self, hashes: Mapping[int, bytes]) -> Window | None:
        """Return a copy with other leaf hashes at some sequence numbers, None if one is no hash."""
        if any(len(each) != HASH_BYTES for each in hashes.values()):
            return None
        other = Window(self.start)
        other.hashes = list(self.hashes)
        for sequence, value in hashes.items():
            other.hashes[sequence - self.start.size] = value
        return other

    def differences(
        self, true: Frontier, get: StoredNodes, limit: int
    ) -> Iterator[tuple[int, int]]:
        """Find the entries of the window that are not those that were signed.

        Parameters
        ----------
        true
            Frontier at the window's size or a larger one, proved by a checkpoint.
        get
            Stored nodes. They narrow a difference down as far as they prove themselves: two
            children are believed when they hash to a believed parent.
        limit
            Number of differences after which to stop.

        Yields
        ------
        tuple of int
            First and last sequence number of a range that holds at least one wrong entry, and
            cannot be made smaller; in ascending order.
        """
        found = 0
        for (level, index), value in zip(root_nodes(true.size), true.hashes, strict=True):
            for difference in self._descend(level, index, value, get):
                if found == limit:
                    return
                found += 1
                yield difference

    def _descend(
        self, level: int, index: int, true: bytes, get: StoredNodes
    ) -> Iterator[tuple[int, int]]:
        begin, end = index << level, (index + 1) << level
        if end <= self.start.size or begin >= self.size or self._hash(level, index) == true:
            return
        children = (get(level - 1, 2 * index), get(level - 1, 2 * index + 1)) if level else ()
        match children:
            case (bytes() as left, bytes() as right) if _are_children(left, right, true):
                yield from self._descend(level - 1, 2 * index, left, get)
                yield from self._descend(level - 1, 2 * index + 1, right, get)
            case _ if end <= self.size:
                yield max(begin, self.start.size), end - 1
            case _:  # some of these entries are not there at all: nothing can be said of the others
                return

    def _hash(self, level: int, index: int) -> bytes:
        """Compute a node from the window's entries and the subtrees before it."""
        begin, end, first = index << level, (index + 1) << level, self.start.size
        if begin >= first:
            return root_of(self.hashes[begin - first : end - first])
        if end <= first:  # then it is one of the subtrees that make up the start
            return self.start.hashes[root_nodes(first).index((level, index))]
        left, right = self._hash(level - 1, 2 * index), self._hash(level - 1, 2 * index + 1)
        return node_hash(left, right)


def _are_children(left: bytes, right: bytes, parent: bytes) -> bool:
    return len(left) == len(right) == HASH_BYTES and node_hash(left, right) == parent


def proved_frontier(size: int, root: bytes, get: StoredNodes) -> Frontier | None:
    """Return the stored frontier at `size` if it hashes to a signed root, else None."""
    hashes = [get(level, index) for level, index in root_nodes(size)]
    known = tuple(each for each in hashes if each is not None and len(each) == HASH_BYTES)
    if len(known) != len(hashes):
        return None
    frontier = Frontier(size, known)
    return frontier if frontier.root == root else None
