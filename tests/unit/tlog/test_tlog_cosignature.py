# SPDX-License-Identifier: Apache-2.0
"""Cosignatures of witnesses: published ones verify, and a quorum is counted honestly."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from memoryguard.tlog.cosignature import (
    Cosigner,
    WitnessKey,
    open_cosignature_lines,
    open_cosignatures,
)
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import leaf_hash
from memoryguard.tlog.note import Signer, VerifierKey, open_note
from memoryguard.tlog.witnessed import MAX_AHEAD_S, check_witnesses

VECTORS = Path(__file__).parents[2] / "vectors" / "witness"
PUBLISHED = (VECTORS / "checkpoint.txt").read_text()
PUBLISHED_KEYS = json.loads((VECTORS / "keys.json").read_text())
WITNESSES = [WitnessKey.parse(key) for key in PUBLISHED_KEYS["witnesses"]]

LOG = Signer("log.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ONE, TWO, THREE = (
    Cosigner(f"witness.example/{n}", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32))
    for n in (1, 2, 3)
)
CHECKPOINT = Checkpoint(LOG.name, 7, leaf_hash(b"some root"))
NOTE = sign_checkpoint(CHECKPOINT, LOG)
NOW = 1_800_000_000


def cosigned(*by: tuple[Cosigner, int]) -> str:
    return NOTE + "".join(who.cosign(CHECKPOINT.text, at_s) for who, at_s in by)


def codes(note: str, quorum: int = 1, *, age_s: float | None = 100, **more: float) -> list[str]:
    keys = [each.key for each in (ONE, TWO, THREE)]
    return [each.code for each in check_witnesses(note, keys, quorum, NOW, age_s, **more)]


# --- formats -------------------------------------------------------------------------------


def test_published_cosignatures_of_four_witnesses_verify() -> None:
    found = open_cosignatures(PUBLISHED, WITNESSES)
    assert [each.key for each in found] == WITNESSES
    assert {each.at_s for each in found} == {1_779_573_024}
    assert open_note(PUBLISHED, [VerifierKey.parse(PUBLISHED_KEYS["log"])])
    assert check_witnesses(PUBLISHED, WITNESSES, 4, 1_779_573_060, 60) == []


@pytest.mark.parametrize("key", WITNESSES, ids=lambda key: key.name)
def test_a_published_cosignature_covers_text_and_time(key: WitnessKey) -> None:
    other = PUBLISHED.replace("1432088532", "1432088533")
    with pytest.raises(Unverified, match="bad_signature"):
        open_cosignatures(other, [key])
    (line,) = (each for each in PUBLISHED.splitlines() if each.startswith(f"— {key.name} "))
    raw = bytearray(base64.b64decode(line.rsplit(" ", 1)[1]))
    raw[11] ^= 1  # the last byte of the time
    later = PUBLISHED.replace(line, f"— {key.name} {base64.b64encode(raw).decode()}")
    with pytest.raises(Unverified, match="bad_signature"):
        open_cosignatures(later, [key])


@pytest.mark.parametrize("text", PUBLISHED_KEYS["witnesses"])
def test_published_keys_come_back(text: str) -> None:
    assert str(WitnessKey.parse(text)) == text
    with pytest.raises(Unverified, match="malformed_key"):
        VerifierKey.parse(text)  # a witness's key signs no checkpoint as its log


def test_the_same_bytes_are_another_key_for_another_use() -> None:
    public = ONE.key.public_key
    assert VerifierKey(ONE.name, public).key_id != ONE.key.key_id
    assert VerifierKey(ONE.name, public) != ONE.key
    with pytest.raises(Unverified, match="malformed_key"):
        WitnessKey.parse(str(VerifierKey(ONE.name, public)))


def test_cosignatures_come_back_and_the_logs_own_signature_stays() -> None:
    note = cosigned((ONE, 5), (TWO, 6))
    found = open_cosignatures(note, [TWO.key, ONE.key])
    assert [(each.key, each.at_s) for each in found] == [(ONE.key, 5), (TWO.key, 6)]
    assert open_checkpoint(note, LOG.verifier_key) == CHECKPOINT
    lines = note.removeprefix(f"{CHECKPOINT.text}\n")
    assert open_cosignature_lines(CHECKPOINT.text, lines, [TWO.key]) == found[1:]


def test_the_signed_message_is_that_of_the_specification() -> None:
    line = ONE.cosign(CHECKPOINT.text, 1_679_315_147)
    raw = base64.b64decode(line.split(" ")[-1])
    assert (raw[:4], raw[4:12]) == (ONE.key.key_id, (1_679_315_147).to_bytes(8, "big"))
    message = b"cosignature/v1\ntime 1679315147\n" + CHECKPOINT.text.encode()
    ONE.private_key.public_key().verify(raw[12:], message)


def test_who_is_unknown_is_ignored_and_who_is_known_spoils() -> None:
    forged = Cosigner(TWO.name, ONE.private_key)  # another key id: unknown
    assert open_cosignatures(cosigned((ONE, 5), (forged, 5)), [ONE.key, TWO.key])
    raw = TWO.key.key_id + (5).to_bytes(8, "big") + bytes(64)
    line = f"— {TWO.name} {base64.b64encode(raw).decode()}\n"
    with pytest.raises(Unverified, match="bad_signature"):
        open_cosignatures(cosigned((ONE, 5)) + line, [ONE.key, TWO.key])
    assert codes(cosigned((ONE, NOW)) + line) == ["bad_signature"]


@pytest.mark.parametrize("length", [1, 8, 71, 73])
def test_a_cosignature_of_another_length_is_none(length: int) -> None:
    raw = ONE.key.key_id + bytes(length)
    line = f"— {ONE.name} {base64.b64encode(raw).decode()}\n"
    with pytest.raises(Unverified, match="bad_signature"):
        open_cosignatures(NOTE + line, [ONE.key])


# --- quorum and age ------------------------------------------------------------------------


def test_a_quorum_of_fresh_cosignatures_is_enough() -> None:
    note = cosigned((ONE, NOW - 50), (TWO, NOW - 90))
    assert codes(note, 1) == codes(note, 2) == []
    assert codes(note, 3) == ["not_witnessed"]
    assert codes(NOTE, 1) == ["not_witnessed"]


def test_a_witness_that_signs_twice_is_one_witness() -> None:
    assert codes(cosigned((ONE, NOW), (ONE, NOW - 1)), 2) == ["not_witnessed"]
    again = Cosigner("another.name", ONE.private_key)
    note = cosigned((ONE, NOW), (again, NOW))
    found = check_witnesses(note, [ONE.key, again.key], 2, NOW, 100)
    assert [each.code for each in found] == ["not_witnessed"]


def test_the_newest_time_of_each_counts() -> None:
    assert codes(cosigned((ONE, NOW - 500), (ONE, NOW - 20))) == []


def test_a_log_that_was_stopped_is_told() -> None:
    note = cosigned((ONE, NOW - 101), (TWO, NOW - 10))
    assert codes(note, 1) == []
    assert codes(note, 2) == ["stalled"]  # one witness alone cannot hide it
    assert codes(note, 2, age_s=None) == []
    (finding,) = check_witnesses(note, [ONE.key], 1, NOW, 100)
    assert (finding.code, finding.checkpoint_size) == ("stalled", 7)


def test_entries_that_nobody_signs_are_told() -> None:
    note = cosigned((ONE, NOW))
    assert codes(note, unsigned_since_s=NOW - 100) == []
    assert codes(note, unsigned_since_s=NOW - 101) == ["stalled"]
    assert codes(note, age_s=None, unsigned_since_s=NOW - 101) == []


def test_a_cosignature_of_tomorrow_says_nothing_of_today() -> None:
    assert codes(cosigned((ONE, NOW + MAX_AHEAD_S))) == []
    assert codes(cosigned((ONE, NOW + MAX_AHEAD_S + 1))) == ["not_witnessed"]


def test_what_is_no_checkpoint_is_told() -> None:
    assert codes("") == ["malformed_note"]
    assert codes("a\nb\n\n— x AAAAAAA=\n") == ["malformed_checkpoint"]
    with pytest.raises(ValueError, match="quorum"):
        codes(NOTE, 0)
