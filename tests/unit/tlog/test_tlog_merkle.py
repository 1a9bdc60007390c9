# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree: published vectors, all small trees, and random tampering."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.tlog import merkle
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import Frontier, leaf_hash, node_hash, root_of

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"
KNOWN_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
KNOWN_ROOTS = [  # first and last bytes of the root at each size
    ("e3b0c442", "b855"), ("6e340b9c", "a01d"), ("fac54203", "c125"), ("aeb6bcfe", "6e77"),
    ("d37ee418", "14b7"), ("4e3bbb1f", "64d4"), ("76e67dad", "87ef"), ("ddb89be4", "4c8c"),
    ("5dc9da79", "4328"),
]  # fmt: skip


def vectors(name: str) -> list[Any]:
    rows = json.loads((VECTORS / f"{name}.json").read_text())
    return [pytest.param(row, id=row["name"]) for row in rows]


def decoded(row: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(each) for each in row["proof"]]


def leaves(count: int, salt: str = "") -> list[bytes]:
    return [leaf_hash(f"entry {salt}{number}".encode()) for number in range(count)]


def grown(hashes: Sequence[bytes]) -> tuple[Frontier, dict[tuple[int, int], bytes]]:
    """Append one by one, and collect the nodes as a store would."""
    frontier, stored = Frontier(), dict[tuple[int, int], bytes]()
    for each in hashes:
        frontier, nodes = frontier.append([each])
        for level, index, value in nodes:
            assert (level, index) not in stored  # a node never changes
            stored[level, index] = value
    return frontier, stored


def source(stored: dict[tuple[int, int], bytes]) -> merkle.NodeSource:
    return lambda level, index: stored[level, index]


def reference_root(hashes: Sequence[bytes]) -> bytes:
    """The definition of RFC 9162, section 2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = max(1 << bit for bit in range(40) if 1 << bit < len(hashes))
    return node_hash(reference_root(hashes[:split]), reference_root(hashes[split:]))


@pytest.mark.parametrize("row", vectors("consistency"))
def test_published_consistency_vectors(row: dict[str, Any]) -> None:
    roots = base64.b64decode(row["root1"]), base64.b64decode(row["root2"])
    arguments = (row["size1"], row["size2"], decoded(row), *roots)
    if row["valid"]:
        merkle.verify_consistency(*arguments)
    else:
        with pytest.raises(Unverified):
            merkle.verify_consistency(*arguments)


@pytest.mark.parametrize("row", vectors("inclusion"))
def test_published_inclusion_vectors(row: dict[str, Any]) -> None:
    leaf, root = base64.b64decode(row["leaf"]), base64.b64decode(row["root"])
    arguments = (row["index"], row["size"], leaf, decoded(row), root)
    if row["valid"]:
        merkle.verify_inclusion(*arguments)
    else:
        with pytest.raises(Unverified):
            merkle.verify_inclusion(*arguments)


def test_the_vectors_are_all_there() -> None:
    assert (len(vectors("consistency")), len(vectors("inclusion"))) == (98, 94)


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    root = root_of(leaf_hash(entry) for entry in KNOWN_ENTRIES[:size]).hex()
    assert (root[:8], root[-4:]) == KNOWN_ROOTS[size]


def test_known_leaf_and_node() -> None:
    leaf, node = leaf_hash(b"L123456").hex(), node_hash(b"N123", b"N456").hex()
    assert (leaf[:8], leaf[-4:]) == ("395aa064", "4d56")
    assert (node[:8], node[-4:]) == ("aa217fe8", "6bbb")


def test_frontier_agrees_with_the_definition_at_every_size() -> None:
    hashes = leaves(130)
    frontier, stored = grown(hashes)
    for size in range(131):
        batch = Frontier().append(hashes[:size])[0]
        assert batch.root == reference_root(hashes[:size])
        assert merkle.frontier_at(size, source(stored)) == batch
    assert Frontier(frontier.size, frontier.hashes) == frontier
    assert len(stored) == sum(130 >> level for level in range(8))


def test_batches_of_any_size_give_the_same_nodes() -> None:
    hashes = leaves(100)
    expected = Frontier().append(hashes)
    for step in (1, 3, 7, 64):
        frontier, nodes = Frontier(), list[merkle.Node]()
        for start in range(0, 100, step):
            frontier, more = frontier.append(hashes[start : start + step])
            nodes += more
        assert (frontier, nodes) == expected


@pytest.mark.parametrize(("size", "hashes"), [(1, ()), (0, (b"x" * 32,)), (-1, ()), (1, (b"x",))])
def test_a_frontier_that_cannot_be_is_refused(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier(size, hashes)


def test_every_inclusion_proof_to_64_verifies_and_only_for_its_place() -> None:
    hashes = leaves(64)
    get = source(grown(hashes)[1])
    for size in range(1, 65):
        root = root_of(hashes[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, get)
            merkle.verify_inclusion(index, size, hashes[index], proof, root)
            with pytest.raises(Unverified):
                merkle.verify_inclusion((index + 1) % (size + 1), size, hashes[index], proof, root)
            with pytest.raises(Unverified):
                merkle.verify_inclusion(index, size, leaf_hash(b"forged"), proof, root)


def test_every_consistency_proof_to_64_verifies_and_only_for_its_roots() -> None:
    hashes = leaves(64)
    get = source(grown(hashes)[1])
    roots = [root_of(hashes[:size]) for size in range(65)]
    for size2 in range(1, 65):
        for size1 in range(1, size2 + 1):
            proof = merkle.consistency_proof(size1, size2, get)
            merkle.verify_consistency(size1, size2, proof, roots[size1], roots[size2])
            with pytest.raises(Unverified):
                merkle.verify_consistency(size1, size2, proof, roots[size1 - 1], roots[size2])


def test_a_byte_may_not_move_from_one_hash_to_its_neighbour() -> None:
    left, right, other = leaves(3)
    hashes = [left, right, other]
    get = source(grown(hashes)[1])
    moved, rest = left + right[:1], right[1:]
    assert node_hash(moved, rest) == node_hash(left, right)
    inclusion = merkle.inclusion_proof(0, 3, get)
    with pytest.raises(Unverified) as caught:
        merkle.verify_inclusion(0, 3, moved, [rest, *inclusion[1:]], root_of(hashes))
    assert caught.value.code == "malformed_hash"
    with pytest.raises(Unverified) as caught:
        merkle.verify_consistency(1, 2, [rest], moved, root_of(hashes[:2]))
    assert caught.value.code == "malformed_hash"


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_inclusion_proof_outside_the_log(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a log"):
        merkle.inclusion_nodes(index, size)


@pytest.mark.parametrize(("size1", "size2"), [(0, 5), (6, 5), (-1, 5)])
def test_no_consistency_proof_from_nothing_or_backwards(size1: int, size2: int) -> None:
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_nodes(size1, size2)


@st.composite
def tampered(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """A log, and the same log after one edit, removal, insertion, exchange, cut or fork."""
    size = draw(st.integers(2, 80))
    honest = leaves(size)
    changed, at = list(honest), draw(st.integers(0, size - 1))
    match draw(st.sampled_from(["edit", "delete", "insert", "reorder", "truncate", "fork"])):
        case "edit":
            changed[at] = leaf_hash(draw(st.binary(max_size=20)))
        case "delete":
            del changed[at]
        case "insert":
            changed.insert(at, leaf_hash(draw(st.binary(max_size=20))))
        case "reorder":
            other = draw(st.integers(0, size - 1).filter(lambda each: each != at))
            changed[at], changed[other] = changed[other], changed[at]
        case "truncate":
            del changed[at:]
        case _:
            changed[at:] = leaves(size - at, salt="fork ")
    return honest, changed


@given(tampered())
def test_tampering_changes_the_root_or_the_size(logs: tuple[list[bytes], list[bytes]]) -> None:
    honest, changed = logs
    assert (len(honest), root_of(honest)) != (len(changed), root_of(changed))


@given(tampered(), st.integers(0, 20))
def test_no_proof_leads_from_the_honest_log_to_a_tampered_one(
    logs: tuple[list[bytes], list[bytes]], more: int
) -> None:
    honest, changed = logs
    longer = changed + leaves(max(0, len(honest) - len(changed)) + more, salt="later ")
    proof = merkle.consistency_proof(len(honest), len(longer), source(grown(longer)[1]))
    with pytest.raises(Unverified):
        merkle.verify_consistency(len(honest), len(longer), proof, root_of(honest), root_of(longer))


@given(st.data())
def test_any_change_of_an_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 100))
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    proof = merkle.inclusion_proof(index, size, source(grown(hashes)[1]))
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(proof[at]) ^ (1 << bit)).to_bytes(32)
    for wrong in (
        [*proof[:at], flipped, *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof[:at], flipped, *proof[at:]],
    ):
        with pytest.raises(Unverified):
            merkle.verify_inclusion(index, size, hashes[index], wrong, root_of(hashes))
