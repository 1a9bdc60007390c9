# SPDX-License-Identifier: Apache-2.0
"""Signed notes, checkpoints and proof files."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.tlog.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint_text,
    sign_checkpoint,
)
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import EMPTY_ROOT, Frontier, inclusion_proof, leaf_hash
from memoryguard.tlog.note import Signer, VerifierKey, open_note, sign_note
from memoryguard.tlog.proof import EntryProof

ORIGIN = "memoryguard.example/log"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEY = SIGNER.verifier_key
CHECKPOINT = Checkpoint(ORIGIN, 5, leaf_hash(b"some root"))
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)

# The note and key of the example in the documentation of Go's package sumdb/note.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
    "pRZb6KE6RyyBwJnAM=\n"
)


def code_of(note: str, key: VerifierKey = KEY) -> str:
    with pytest.raises(Unverified) as caught:
        open_checkpoint(note, key)
    return caught.value.code


def test_a_checkpoint_comes_back() -> None:
    assert open_checkpoint(NOTE, KEY) == CHECKPOINT
    assert NOTE.split("\n")[:2] == [ORIGIN, "5"]
    assert NOTE.split("\n")[4].startswith(f"— {ORIGIN} ")


def test_the_key_comes_back() -> None:
    assert VerifierKey.parse(str(KEY)) == KEY
    name, key_id, encoded = str(KEY).split("+", 2)
    assert name == ORIGIN
    assert bytes.fromhex(key_id) == KEY.key_id
    assert base64.b64decode(encoded) == b"\x01" + KEY.public_key


def test_a_published_key_and_note_verify() -> None:
    key = VerifierKey.parse(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    assert open_note(PUBLISHED_NOTE, [KEY, key]) == PUBLISHED_NOTE.partition("\n\n")[0] + "\n"
    with pytest.raises(Unverified) as caught:
        open_note(PUBLISHED_NOTE, [KEY])
    assert caught.value.code == "unknown_key"
    with pytest.raises(Unverified) as caught:
        open_note(PUBLISHED_NOTE.replace("answer", "Answer"), [KEY, key])
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    "text",
    ["", "a+b", str(KEY)[:-1], str(KEY).replace("+", "++", 1), "x" + str(KEY), str(KEY) + "\n",
     PUBLISHED_KEY.replace("c74f20a3", "c74f20a4")],
)  # fmt: skip
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(Unverified) as caught:
        VerifierKey.parse(text)
    assert caught.value.code == "malformed_key"


def test_a_witness_signature_beside_the_logs_is_ignored() -> None:
    note = sign_note(CHECKPOINT.text, OTHER, SIGNER)
    assert open_checkpoint(note, KEY) == CHECKPOINT


def test_another_key_of_the_same_name_is_unknown() -> None:
    impostor = Signer(ORIGIN, OTHER.private_key)
    assert code_of(sign_checkpoint(CHECKPOINT, impostor)) == "unknown_key"


def test_an_impostor_with_the_right_key_id_has_a_bad_signature() -> None:
    raw = base64.b64encode(KEY.key_id + OTHER.private_key.sign(CHECKPOINT.text.encode())).decode()
    assert code_of(f"{CHECKPOINT.text}\n— {ORIGIN} {raw}\n") == "bad_signature"


def test_one_bad_signature_spoils_the_note_even_beside_a_good_one() -> None:
    text, _, line = NOTE.partition("\n\n")
    other_line = sign_checkpoint(Checkpoint(ORIGIN, 6, CHECKPOINT.root), SIGNER).partition("\n\n")[
        2
    ]
    assert code_of(f"{text}\n\n{line}{other_line}") == "bad_signature"


def test_a_checkpoint_of_another_origin_signed_by_our_key_is_refused() -> None:
    text = Checkpoint("other.example/log", 5, CHECKPOINT.root).text
    assert code_of(sign_note(text, SIGNER)) == "other_origin"
    with pytest.raises(ValueError, match="own name"):
        sign_checkpoint(CHECKPOINT, OTHER)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: "",
        lambda note: note[:-1],
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace(" ", "  "),
        lambda note: note + "\n",
        lambda note: note + "trailing\n",
        lambda note: note.partition("\n\n")[0] + "\n",
        lambda note: note.replace("=\n", "\n"),
        lambda note: note.replace("5", "5\x00", 1),
        lambda note: note + "\ud800\n",
        lambda note: "x" * 1_000_001 + note,
    ],
)  # fmt: skip
def test_a_malformed_note_is_refused(change: object) -> None:
    assert callable(change)
    assert code_of(str(change(NOTE))) in {"malformed_note", "unknown_key", "bad_signature"}


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n", "o\n01\n{root}\n", "o\n-1\n{root}\n", "o\n+1\n{root}\n", "o\n 1\n{root}\n",
        "o\n1 \n{root}\n", "o\n\n{root}\n", "\n1\n{root}\n", "o\n1\n{root}", "o\n1\n{root}\next\n",
        "o\n1\nAAAA\n", "o\n1\n{root}=\n", "o\n١\n{root}\n", "o\n0\n{root}\n",
        "o\n99999999999999999999\n{root}\n", "o\n1\n{loose}\n",
    ],
)  # fmt: skip
def test_a_malformed_checkpoint_is_refused_although_signed(text: str) -> None:
    root = base64.b64encode(b"r" * 32).decode()
    loose = root[:-2] + chr(ord(root[-2]) + 1) + "="  # the same bytes, with a stray bit
    assert base64.b64decode(loose) == base64.b64decode(root)
    with pytest.raises(Unverified) as caught:
        parse_checkpoint_text(text.format(root=root, loose=loose))
    assert caught.value.code == "malformed_checkpoint"


def test_the_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, SIGNER), KEY) == empty


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_no_single_flipped_bit_passes(bit: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unverified):
        open_checkpoint(raw.decode(errors="replace"), KEY)


ENTRIES = [f"entry {number}".encode() for number in range(13)]


def proof_of(index: int, size: int = 13) -> EntryProof:
    frontier, nodes = Frontier().append(leaf_hash(entry) for entry in ENTRIES[:size])
    stored = {(level, position): value for level, position, value in nodes}
    hashes = inclusion_proof(index, size, lambda level, at: stored[level, at])
    note = sign_checkpoint(Checkpoint(ORIGIN, size, frontier.root), SIGNER)
    return EntryProof(index, tuple(hashes), note)


@pytest.mark.parametrize("size", [1, 2, 13])
def test_a_proof_file_proves_its_entry_and_no_other(size: int) -> None:
    for index in range(size):
        proof = EntryProof.parse(str(proof_of(index, size)))
        assert proof == proof_of(index, size)
        assert proof.verify(ENTRIES[index], KEY).size == size
        with pytest.raises(Unverified) as caught:
            proof.verify(ENTRIES[index] + b" ", KEY)
        assert caught.value.code == "root_mismatch"


def test_an_extra_line_is_kept() -> None:
    text = str(proof_of(3)).replace("\nindex", "\nextra aGVsbG8=\nindex")
    assert EntryProof.parse(text) == replace(proof_of(3), extra=b"hello")
    assert str(EntryProof.parse(text)) == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"), ("index 3", "index 03"), ("index 3", "index -1"), ("index 3\n", ""),
        ("index 3\n", "index 3\nAAAA\n"), ("index 3\n", "index 3\nnot base64\n"),
        ("\n\n", "\n"), ("\nindex", "\nextra %%\nindex"), ("\nindex", "\nINDEX"),
        ("index 3\n", "index 3\n" + 61 * (base64.b64encode(bytes(32)).decode() + "\n")),
    ],
)  # fmt: skip
def test_a_malformed_proof_is_refused(old: str, new: str) -> None:
    with pytest.raises(Unverified) as caught:
        EntryProof.parse(str(proof_of(3)).replace(old, new))
    assert caught.value.code == "malformed_proof"


@given(st.data())
def test_no_flipped_bit_of_a_proof_file_proves_anything_else(data: st.DataObject) -> None:
    raw = bytearray(str(proof_of(3)).encode())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unverified):
        EntryProof.parse(raw.decode(errors="replace")).verify(ENTRIES[3], KEY)
