# SPDX-License-Identifier: Apache-2.0
"""Merkle tree of an append-only log (RFC 9162, section 2.1; the same tree as RFC 6962).

Hashes are 32 bytes of SHA-256. A *node* is the hash of a complete subtree: node ``(level, index)``
covers the entries ``index * 2**level`` up to, not including, ``(index + 1) * 2**level``, so level 0
holds the leaf hashes. Nodes never change once they exist; a store keeps them as rows or tiles.

Whatever needs stored nodes comes as a pair: ``..._nodes`` names the nodes it will read, without
reading any, so that an asynchronous store can fetch them at once; the function proper then takes
``get(level, index)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memoryguard.tlog.errors import Unverified

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Coordinate = tuple[int, int]
"""``(level, index)`` of a complete subtree."""

NodeSource = Callable[[int, int], bytes]
"""``get(level, index)``: the hash of a complete subtree that the log already has."""


class Node(NamedTuple):
    """Hash of a complete subtree, as a row: ``(level, index, hash)``.

    The second field is called `position` because tuples have a method `index`.
    """

    level: int
    position: int
    hash: bytes


def leaf_hash(entry: bytes) -> bytes:
    """Return ``SHA-256(0x00 || entry)`` (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return ``SHA-256(0x01 || left || right)`` (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The least that must be kept to append: the log's size and its complete subtrees.

    Parameters
    ----------
    size
        Number of entries.
    hashes
        One hash for each set bit of `size`, largest subtree first.

    Raises
    ------
    ValueError
        If the hashes cannot belong to that size.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes cannot be the frontier of {self.size}")
        if any(len(each) != HASH_BYTES for each in self.hashes):
            raise ValueError("a frontier hash is not 32 bytes long")

    @property
    def root(self) -> bytes:
        """Root of the tree over all entries so far."""
        return _fold(self.hashes)

    def append(self, hashes: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
        """Append leaf hashes, in order.

        Parameters
        ----------
        hashes
            Leaf hashes (`leaf_hash`) of the new entries.

        Returns
        -------
        tuple
            The new frontier, and every node that now exists and did not before (the leaves
            included), in an order in which each node follows its children. At most two nodes an
            entry on average, ``log2(size) + 1`` for one.
        """
        subtrees, size, nodes = list(self.hashes), self.size, list[Node]()
        for current in hashes:
            level, index = 0, size
            nodes.append(Node(level, index, current))
            while index & 1:  # this subtree is a right child: its parent is complete now
                current = node_hash(subtrees.pop(), current)
                level, index = level + 1, index >> 1
                nodes.append(Node(level, index, current))
            subtrees.append(current)
            size += 1
        return Frontier(size, tuple(subtrees)), nodes


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes."""
    return Frontier().append(hashes)[0].root


def root_nodes(size: int) -> list[Coordinate]:
    """Return the nodes that make the root, and the frontier, of a log of `size` entries."""
    return _range_nodes(0, size)


def frontier_at(size: int, get: NodeSource) -> Frontier:
    """Return the frontier of the log's first `size` entries from stored nodes."""
    return Frontier(size, tuple(get(*each) for each in root_nodes(size)))


def inclusion_nodes(index: int, size: int) -> list[list[Coordinate]]:
    """Return the nodes an inclusion proof is made of: one list for each of its hashes.

    Raises
    ------
    ValueError
        Unless ``0 <= index < size``.
    """
    if not 0 <= index < size:
        raise ValueError(f"entry {index} is not in a log of {size}")
    begin, end, parts = 0, size, list[list[Coordinate]]()
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            parts.append(_range_nodes(middle, end))
            end = middle
        else:
            parts.append(_range_nodes(begin, middle))
            begin = middle
    return parts[::-1]


def inclusion_proof(index: int, size: int, get: NodeSource) -> list[bytes]:
    """Prove that an entry is in the log (RFC 9162, section 2.1.3.1).

    Parameters
    ----------
    index
        Sequence number of the entry, from 0.
    size
        Size of the tree that the proof is for; the log may be larger.
    get
        Where stored nodes come from.

    Returns
    -------
    list of bytes
        The hashes from the leaf's sibling up to the root's child.
    """
    return [_fold([get(*each) for each in part]) for part in inclusion_nodes(index, size)]


def consistency_nodes(size1: int, size2: int) -> list[list[Coordinate]]:
    """Return the nodes a consistency proof is made of: one list for each of its hashes.

    Raises
    ------
    ValueError
        Unless ``0 < size1 <= size2``.
    """
    if not 0 < size1 <= size2:
        raise ValueError(f"no consistency proof from size {size1} to size {size2}")
    begin, end, parts, known = 0, size2, list[list[Coordinate]](), True
    while size1 != end:
        middle = begin + _split(end - begin)
        if size1 <= middle:
            parts.append(_range_nodes(middle, end))
            end = middle
        else:
            parts.append(_range_nodes(begin, middle))
            begin, known = middle, False
    if not known:  # only a subtree that is the whole old log needs no hash: its root is known
        parts.append(_range_nodes(begin, end))
    return parts[::-1]


def consistency_proof(size1: int, size2: int, get: NodeSource) -> list[bytes]:
    """Prove that the log of `size1` entries is a prefix of that of `size2` (RFC 9162, 2.1.4.1)."""
    return [_fold([get(*each) for each in part]) for part in consistency_nodes(size1, size2)]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check an inclusion proof (RFC 9162, section 2.1.3.2).

    Parameters
    ----------
    index, size
        Sequence number of the entry, and the size of the tree.
    leaf
        Leaf hash of the entry.
    proof
        Hashes from the leaf's sibling up.
    root
        Root of the tree of `size` entries.

    Raises
    ------
    Unverified
        ``index_out_of_range``, ``malformed_hash``, ``proof_length`` or ``root_mismatch``.
    """
    if not 0 <= index < size:
        raise Unverified("index_out_of_range", f"entry {index} is not in a log of {size}")
    _check_lengths([leaf, root, *proof])
    here, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Unverified("proof_length", "the proof has too many hashes")
        if here & 1 or here == last:
            computed = node_hash(sibling, computed)
            here, last = _skip_lonely(here, last)
        else:
            computed = node_hash(computed, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise Unverified("proof_length", "the proof has too few hashes")
    if computed != root:
        raise Unverified("root_mismatch", f"the proof for entry {index} gives another root")


def verify_consistency(
    size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes
) -> None:
    """Check a consistency proof (RFC 9162, section 2.1.4.2).

    A proof from the empty log proves nothing, so ``size1 == 0`` is an error.

    Parameters
    ----------
    size1, size2
        Sizes of the older and the newer log.
    proof
        Hashes as `consistency_proof` makes them.
    root1, root2
        Roots of the older and the newer log.

    Raises
    ------
    Unverified
        ``size_out_of_range``, ``malformed_hash``, ``proof_length`` or ``root_mismatch``.
    """
    if not 0 < size1 <= size2:
        raise Unverified("size_out_of_range", f"nothing is proved from size {size1} to {size2}")
    if size1 == size2:
        if proof:
            raise Unverified("proof_length", "equal sizes take an empty proof")
        if root1 != root2:
            raise Unverified("root_mismatch", "equal sizes, different roots")
        return
    _check_lengths([root1, root2, *proof])
    if not proof:
        raise Unverified("proof_length", "the proof is empty")
    path = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    if _both_roots(size1, size2, path) != (root1, root2):
        raise Unverified("root_mismatch", f"size {size1} is not a prefix of size {size2}")


def _both_roots(size1: int, size2: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots at both sizes as a consistency path gives them."""
    here, last = size1 - 1, size2 - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Unverified("proof_length", "the proof has too many hashes")
        if here & 1 or here == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            here, last = _skip_lonely(here, last)
        else:
            newer = node_hash(newer, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise Unverified("proof_length", "the proof has too few hashes")
    return older, newer


def _skip_lonely(here: int, last: int) -> tuple[int, int]:
    """Climb past the levels where a last subtree has no sibling to be hashed with."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise Unverified("malformed_hash", "a hash is not 32 bytes long")


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count` (which is at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_nodes(begin: int, end: int) -> list[Coordinate]:
    """Return the complete subtrees that tile ``begin..end``, largest first.

    `begin` is a multiple of the largest of them, as it is wherever RFC 9162 cuts a tree.
    """
    nodes = list[Coordinate]()
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _fold(subtrees: Sequence[bytes]) -> bytes:
    """Return the root over adjacent complete subtrees, largest first."""
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for left in subtrees[-2::-1]:
        root = node_hash(left, root)
    return root
