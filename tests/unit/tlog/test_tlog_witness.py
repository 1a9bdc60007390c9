# SPDX-License-Identifier: Apache-2.0
"""A witness's decisions: published requests, and whatever order of requests one can think of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from memoryguard.tlog.cosignature import Cosigner, open_cosignature_lines, open_cosignatures
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import Frontier, consistency_proof, leaf_hash
from memoryguard.tlog.note import Signer, VerifierKey
from memoryguard.tlog.witness import (
    MAX_HASHES,
    SIZE,
    Answer,
    Kept,
    Request,
    add_checkpoint,
    logs_of,
    remember,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "witness"
PUBLISHED = json.loads((VECTORS / "requests.json").read_text())

LOG = Signer("log.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer("other.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Cosigner("witness.example", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
LOGS = logs_of([LOG.verifier_key, OTHER.verifier_key])
SIZES = 12


class Branch:
    """A history of a log: its first `fork` entries are everybody's, the others its own."""

    def __init__(self, name: str, fork: int) -> None:
        hashes = [leaf_hash(f"{n < fork or name}{n}".encode()) for n in range(SIZES)]
        _, nodes = Frontier().append(hashes)
        self.nodes = {(node.level, node.position): node.hash for node in nodes}
        self.roots = [Frontier().append(hashes[:size])[0].root for size in range(SIZES + 1)]

    def checkpoint(self, size: int, signer: Signer = LOG) -> str:
        return sign_checkpoint(Checkpoint(signer.name, size, self.roots[size]), signer)

    def request(self, old: int, size: int, signer: Signer = LOG) -> Request:
        provable = 0 < old <= size
        proof = consistency_proof(old, size, lambda *at: self.nodes[at]) if provable else []
        return Request(old, tuple(proof), self.checkpoint(size, signer))


TRUTH = Branch("truth", SIZES)
FORKS = [TRUTH, Branch("lie", 5), Branch("another lie", 0)]


class Witness:
    """Memory and answers; remembers before it answers, as the process does."""

    def __init__(self) -> None:
        self.memory: dict[str, Kept] = {}

    def ask(self, request: Request | str, now_s: int = 1) -> Answer:
        answer = add_checkpoint(str(request).encode(), self.memory, LOGS, WITNESS, now_s)
        assert (answer.kept is not None) == (answer.status == 200)
        if answer.kept:
            self.memory[answer.kept.checkpoint.origin] = answer.kept
        return answer

    def status(self, request: Request | str) -> int:
        return self.ask(request).status


def test_published_requests_are_answered_as_published() -> None:
    logs = logs_of([VerifierKey.parse(PUBLISHED["log_key"])])
    memory: dict[str, Kept] = {}
    for each in PUBLISHED["requests"]:
        answer = add_checkpoint(each["request"].encode(), memory, logs, WITNESS, 1)
        assert answer.status == each["status"], each["name"]
        assert str(Request.parse(each["request"])) == each["request"]
        if answer.kept:
            memory[answer.kept.checkpoint.origin] = answer.kept
    assert [kept.checkpoint.size for kept in memory.values()] == [5]


def test_growth_is_cosigned_and_remembered() -> None:
    witness = Witness()
    for old, size in ((0, 0), (0, 3), (3, 8), (8, 12)):
        answer = witness.ask(TRUTH.request(old, size), now_s=size + 100)
        assert answer.status == 200
        text = TRUTH.checkpoint(size).partition("\n\n")[0] + "\n"
        (signed,) = open_cosignature_lines(text, answer.body, [WITNESS.key])
        assert signed.at_s == size + 100
        kept = witness.memory[LOG.name]
        assert open_checkpoint(kept.note, LOG.verifier_key) == kept.checkpoint
        assert open_cosignatures(kept.note, [WITNESS.key]) == [signed]
        assert remember(kept.note, WITNESS.key) == kept


def test_what_has_not_grown_is_signed_again_with_a_new_time() -> None:
    witness = Witness()
    lines = [witness.ask(TRUTH.request(0 if not n else 4, 4), now_s=n).body for n in range(3)]
    assert len(set(lines)) == 3
    assert witness.memory[LOG.name].note.count("— witness.example") == 1


def test_each_refusal_has_its_status() -> None:
    witness = Witness()
    assert witness.status(TRUTH.request(0, 5)) == 200
    before = dict(witness.memory)
    grown = TRUTH.request(5, 9)
    stranger = Signer("stranger.example", LOG.private_key)
    thief = Signer(LOG.name, OTHER.private_key)
    expected = {
        404: [TRUTH.request(5, 9, stranger)],
        403: [TRUTH.request(5, 9, thief)],
        409: [
            TRUTH.request(0, 9),
            TRUTH.request(4, 4),
            TRUTH.request(4, 9),
            FORKS[2].request(5, 5),
        ],
        422: [
            replace(grown, proof=grown.proof[:-1]),
            replace(grown, proof=(*grown.proof, bytes(32))),
            replace(grown, proof=(bytes(31), *grown.proof[1:])),
            replace(TRUTH.request(5, 5), proof=(bytes(32),)),
            FORKS[2].request(5, 9),
        ],
        400: [
            TRUTH.request(10, 9),
            replace(grown, proof=(bytes(32),) * (MAX_HASHES + 1)),
            "",
            "old 5\n",
            str(grown).replace("old 5", "old 05"),
            str(grown).replace("old 5", "new 5"),
            str(grown).replace("old 5\n", "old 5\n!\n"),
            str(grown).replace("\n9\n", "\n9\nan extension\n") + "\n",
            str(grown)[:-1],
        ],
    }
    for status, requests in expected.items():
        for request in requests:
            answer = witness.ask(request)
            assert answer.status == status, request
            if status == 409:
                assert (answer.body, answer.content_type) == ("5\n", SIZE)
                assert answer.forked == (request == FORKS[2].request(5, 5))
    assert add_checkpoint(b"\xff", before, LOGS, WITNESS, 1).status == 400
    assert witness.memory == before
    assert witness.status(replace(TRUTH.request(0, 9, OTHER), proof=(bytes(32),))) == 422
    assert witness.status(TRUTH.request(0, 9, OTHER)) == 200  # logs do not mix
    assert witness.status(grown) == 200


def test_lines_of_strangers_are_not_kept() -> None:
    witness = Witness()
    request = TRUTH.request(0, 3)
    assert witness.status(replace(request, note=request.note + "— stranger AAAAAAAA\n")) == 200
    assert "stranger" not in witness.memory[LOG.name].note


def test_a_log_may_change_its_key() -> None:
    fresh = Signer(LOG.name, Ed25519PrivateKey.generate())
    logs = logs_of([LOG.verifier_key, fresh.verifier_key])
    for signer in (LOG, fresh):
        body = str(TRUTH.request(0, 3, signer)).encode()
        assert add_checkpoint(body, {}, logs, WITNESS, 1).status == 200


def test_a_witness_takes_no_other_memory_for_its_own() -> None:
    witness = Witness()
    witness.ask(TRUTH.request(0, 3))
    note = witness.memory[LOG.name].note
    stranger = Cosigner("stranger", WITNESS.private_key)
    with pytest.raises(Unverified, match="unknown_key"):
        remember(note, stranger.key)
    with pytest.raises(Unverified, match="bad_signature"):
        remember(note.replace("\n3\n", "\n2\n"), WITNESS.key)


requests = st.builds(
    lambda branch, old, size, signer: FORKS[branch].request(old, size, signer),
    st.integers(0, len(FORKS) - 1),
    st.integers(0, SIZES),
    st.integers(0, SIZES),
    st.sampled_from([LOG, LOG, LOG, OTHER]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(requests, st.booleans()), max_size=40))
def test_whatever_is_asked_never_two_roots_of_a_size_and_never_less(
    asked: list[tuple[Request, bool]],
) -> None:
    witness = Witness()
    signed: dict[str, list[Checkpoint]] = {}
    for request, by_its_answer in asked:
        answer = witness.ask(request)
        if answer.status == 409 and by_its_answer:  # ask again from where the witness is
            branch = next(each for each in FORKS if _is_of(each, request))
            checkpoint = _checkpoint(request)
            signer = LOG if checkpoint.origin == LOG.name else OTHER
            answer = witness.ask(branch.request(int(answer.body), checkpoint.size, signer))
        if answer.kept:
            signed.setdefault(answer.kept.checkpoint.origin, []).append(answer.kept.checkpoint)
    for history in signed.values():
        assert [each.size for each in history] == sorted(each.size for each in history)
        roots = {each.size: each.root for each in history}
        assert all(roots[each.size] == each.root for each in history)
        # And one history explains them all.
        assert any(all(b.roots[c.size] == c.root for c in history) for b in FORKS)


def _checkpoint(request: Request) -> Checkpoint:
    origin = request.note.partition("\n")[0]
    return open_checkpoint(request.note, LOGS[origin][0])


def _is_of(branch: Branch, request: Request) -> bool:
    checkpoint = _checkpoint(request)
    return branch.roots[checkpoint.size] == checkpoint.root


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_get_an_answer_and_no_signature(body: bytes) -> None:
    assert add_checkpoint(body, {}, LOGS, WITNESS, 1).status in (400, 404)
