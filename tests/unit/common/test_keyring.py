# SPDX-License-Identifier: Apache-2.0
"""Keys wrap, rotate and refuse; pseudonyms are stable, separate and frozen."""

from __future__ import annotations

import base64
import pickle

import pytest
from cryptography.fernet import Fernet

from memoryguard.common.errors import Corrupt, Misconfigured
from memoryguard.common.security.keyring import KeyRing, VaultKey, mapped_uid

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
SUBJECT_KEY = bytes(range(32))
VAULT = VaultKey(bytes(range(32)))


def test_wrapped_keys_come_back() -> None:
    ring = KeyRing.from_setting(NEW)
    assert ring.unwrap(ring.wrap(SUBJECT_KEY, "s"), "s") == SUBJECT_KEY


def test_a_key_belongs_to_one_subject() -> None:
    ring = KeyRing.from_setting(NEW)
    with pytest.raises(Corrupt):
        ring.unwrap(ring.wrap(SUBJECT_KEY, "s"), "t")


def test_an_altered_token_is_corrupt() -> None:
    ring = KeyRing.from_setting(NEW)
    token = bytearray(ring.wrap(SUBJECT_KEY, "s"))
    token[40] ^= 1
    with pytest.raises(Corrupt):
        ring.unwrap(bytes(token), "s")


def test_rotation_reads_the_old_and_lets_go_of_it() -> None:
    token = KeyRing.from_setting(OLD).wrap(SUBJECT_KEY, "s")
    both = KeyRing.from_setting(f"{NEW}, {OLD}")
    assert both.unwrap(token, "s") == SUBJECT_KEY
    only_new = KeyRing.from_setting(NEW)
    with pytest.raises(Corrupt):
        only_new.unwrap(token, "s")
    assert only_new.unwrap(both.wrap(SUBJECT_KEY, "s"), "s") == SUBJECT_KEY


def test_a_ring_tells_which_of_its_keys_a_token_is_under_and_shows_none() -> None:
    old, both = KeyRing.from_setting(OLD), KeyRing.from_setting(f"{NEW}, {OLD}")
    assert both.place(old.wrap(SUBJECT_KEY, "s")) == 1
    assert both.place(both.wrap(SUBJECT_KEY, "s")) == 0
    with pytest.raises(Corrupt):
        old.place(both.wrap(SUBJECT_KEY, "s"))
    assert both.fingerprints[1:] == old.fingerprints
    assert len(set(both.fingerprints)) == 2
    assert all(len(name) == 8 and name not in OLD + NEW for name in both.fingerprints)


@pytest.mark.parametrize("text", ["", " ", "x", f"{NEW},", f"{NEW},short", NEW[:-4], "ü" * 44])
def test_bad_keys_are_misconfigured(text: str) -> None:
    with pytest.raises(Misconfigured) as error:
        KeyRing.from_setting(text)
    assert error.value.code == "bad_encryption_key"
    assert text.strip() == "" or text not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "x", "ü" * 44, NEW[:-4], base64.b64encode(b"x" * 31).decode()]
)
def test_bad_vault_keys_are_misconfigured(text: str) -> None:
    with pytest.raises(Misconfigured):
        VaultKey.from_setting(text)


def test_a_generated_key_is_a_vault_key() -> None:
    assert VaultKey.from_setting(Fernet.generate_key().decode()).subject_id("", "1")


def test_keys_do_not_show_in_logs() -> None:
    assert "01" not in repr(KeyRing.from_setting(OLD)) + repr(VAULT)


def test_pseudonyms_are_frozen() -> None:
    """Made once. If one of these changes, every stored person has become a stranger."""
    assert VAULT.subject_id("HOSPITAL", "123") == "afab01d4ba5aa38b2a462a9c936085f5"
    assert VAULT.user_subject_id("u-1") == "e8c9fc31670cad170b4f557224609f22"
    assert VAULT.date_shift_days("0" * 32) == 338
    assert (
        mapped_uid(VAULT.uid_key("0" * 32), "1.2.3")
        == "2.25.35017434690516802581376705960023581977"
    )


def test_parts_cannot_slide_into_each_other() -> None:
    assert VAULT.subject_id("ab", "c") != VAULT.subject_id("a", "bc")
    assert VAULT.subject_id("", "x") != VAULT.user_subject_id("x")
    assert VAULT.subject_id("a", "b") != VaultKey(bytes(32)).subject_id("a", "b")


def test_shifts_are_spread_over_both_sides_and_never_small() -> None:
    shifts = [VAULT.date_shift_days(f"{n:032x}") for n in range(20_000)]
    assert {abs(shift) for shift in shifts} == set(range(30, 366))
    later = sum(shift > 0 for shift in shifts)
    assert 9_600 < later < 10_400  # four standard deviations are 283


def test_uids_are_valid_and_differ_by_person() -> None:
    uid = mapped_uid(VAULT.uid_key("0" * 32), "1.2.3")
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert uid != mapped_uid(VAULT.uid_key("1" * 32), "1.2.3")


def test_it_travels_to_a_worker_process() -> None:
    copy = pickle.loads(pickle.dumps(VAULT))
    assert copy.subject_id("a", "b") == VAULT.subject_id("a", "b")
