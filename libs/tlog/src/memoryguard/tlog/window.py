# SPDX-License-Identifier: Apache-2.0
"""Entries between two checkpoints, and where they differ from what was signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

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


class Window:
    """Leaf hashes computed from entries that no checkpoint vouches for yet.

    Parameters
    ----------
    start
        Frontier at the last size that a checkpoint did vouch for.
    step
        A store keeps the nodes of every so-manieth level: tiles of 256 hashes, every eighth.

    Attributes
    ----------
    frontier
        Frontier of the log with the window's entries.
    nodes
        The nodes that these entries complete and a store keeps; above the leaves, where these are
        compared as they are read.
    """

    def __init__(self, start: Frontier, step: int = 1) -> None:
        self.start = self.frontier = start
        self.step = step
        self.nodes: list[Node] = []
        self._hashes = bytearray()

    @property
    def size(self) -> int:
        """Size of the log with the window's entries."""
        return self.frontier.size

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Append leaf hashes, in order."""
        self.frontier, nodes = self.frontier.append(hashes)
        kept = (n for n in nodes if self.step == 1 or (n.level and not n.level % self.step))
        self.nodes += kept
        self._hashes += b"".join(hashes)

    def replaced(self, hashes: Mapping[int, bytes]) -> Window | None:
        """Return a copy with other leaf hashes at some sequence numbers, None if one is no hash."""
        if any(len(each) != HASH_BYTES for each in hashes.values()):
            return None
        changed = self._between(self.start.size, self.size)
        for sequence, value in hashes.items():
            changed[sequence - self.start.size] = value
        other = Window(self.start, self.step)
        other.extend(changed)
        return other

    def _between(self, begin: int, end: int) -> list[bytes]:
        """Give the hashes of entries of the window; of those behind its end, none."""
        first = self.start.size
        part = self._hashes[(begin - first) * HASH_BYTES : (end - first) * HASH_BYTES]
        return [bytes(part[at : at + HASH_BYTES]) for at in range(0, len(part), HASH_BYTES)]

    def differences(
        self, true: Frontier, sources: Sequence[StoredNodes], limit: int
    ) -> Iterator[tuple[int, int]]:
        """Find the entries of the window that are not those that were signed.

        Parameters
        ----------
        true
            Frontier at the window's size or a larger one, proved by a checkpoint.
        sources
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
            for difference in self._descend(level, index, value, sources):
                if found == limit:
                    return
                found += 1
                yield difference

    def _descend(
        self, level: int, index: int, true: bytes, sources: Sequence[StoredNodes]
    ) -> Iterator[tuple[int, int]]:
        begin, end = index << level, (index + 1) << level
        if end <= self.start.size or begin >= self.size or self._hash(level, index) == true:
            return
        children = _children_of(level, index, true, sources)
        if children is not None:
            yield from self._descend(level - 1, 2 * index, children[0], sources)
            yield from self._descend(level - 1, 2 * index + 1, children[1], sources)
        elif end <= self.size:
            yield max(begin, self.start.size), end - 1
        # Else some of these entries are not there at all: nothing can be said of the others.

    def _hash(self, level: int, index: int) -> bytes:
        """Compute a node from the window's entries and the subtrees before it."""
        begin, end, first = index << level, (index + 1) << level, self.start.size
        if begin >= first:
            return root_of(self._between(begin, end))
        if end <= first:  # then it is one of the subtrees that make up the start
            return self.start.hashes[root_nodes(first).index((level, index))]
        left, right = self._hash(level - 1, 2 * index), self._hash(level - 1, 2 * index + 1)
        return node_hash(left, right)


def _children_of(
    level: int, index: int, parent: bytes, sources: Sequence[StoredNodes]
) -> tuple[bytes, bytes] | None:
    """Give a node's children as the first source has them that proves them."""
    for get in sources if level else ():
        left, right = get(level - 1, 2 * index), get(level - 1, 2 * index + 1)
        if left is None or right is None or not len(left) == len(right) == HASH_BYTES:
            continue
        if node_hash(left, right) == parent:
            return left, right
    return None


def proved_frontier(size: int, root: bytes, get: StoredNodes) -> Frontier | None:
    """Return the stored frontier at `size` if it hashes to a signed root, else None."""
    hashes = [get(level, index) for level, index in root_nodes(size)]
    known = tuple(each for each in hashes if each is not None and len(each) == HASH_BYTES)
    if len(known) != len(hashes):
        return None
    frontier = Frontier(size, known)
    return frontier if frontier.root == root else None
