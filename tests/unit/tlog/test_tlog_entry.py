# SPDX-License-Identifier: Apache-2.0
"""A leaf says all that is stored of an entry, in one way; a payload opens with one key alone."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.tlog.entry import MAGIC, Entry, entry_key, sealed
from memoryguard.tlog.errors import Unverified

KEY = bytes(range(32))
EVENT = b'{"data":{"volume":1}}'

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**62), 2**62)
entries = st.builds(
    Entry,
    action=texts, actor=st.none() | texts, counter=st.none() | numbers, digest=texts,
    epoch=st.none() | texts, event_id=texts, form=st.sampled_from(["plain", "sealed", "absent"]),
    logged_us=numbers, occurred_us=st.none() | numbers,
    outcome=st.sampled_from(["success", "denied", "failure"]), purpose=st.none() | texts,
    scan_id=st.none() | texts, source=texts, subject_id=texts, topic=texts, type=texts,
    payload=st.binary(max_size=40),
)  # fmt: skip


@given(entries)
def test_a_leaf_comes_back(entry: Entry) -> None:
    assert Entry.parse(entry.leaf()) == entry


@given(entries)
def test_the_header_is_canonical_json(entry: Entry) -> None:
    head, _, payload = entry.leaf().partition(b"\n")
    assert payload == entry.payload
    header = json.loads(head.removeprefix(MAGIC))
    known = {f.name for f in fields(Entry)} - {"payload"}
    assert header == {n: v for n in sorted(known) if (v := getattr(entry, n)) is not None}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert head == MAGIC + text.encode()


@given(entries, entries)
def test_two_entries_never_share_a_leaf(one: Entry, other: Entry) -> None:
    assert (one.leaf() == other.leaf()) == (one == other)


@given(entries, st.data())
def test_no_field_can_change_without_the_leaf(entry: Entry, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([f.name for f in fields(Entry)]))
    changed = replace(entry, **{name: getattr(data.draw(entries), name)})
    assert (changed.leaf() == entry.leaf()) == (getattr(changed, name) == getattr(entry, name))


def example(**changed: Any) -> Entry:
    known: dict[str, Any] = {
        "action": "a", "digest": "d", "event_id": "e", "form": "plain", "logged_us": 1,
        "outcome": "success", "source": "s", "subject_id": "p", "topic": "t", "type": "y",
        "payload": EVENT,
    }  # fmt: skip
    return Entry(**known | changed)


@pytest.mark.parametrize(
    "change",
    [lambda leaf: leaf[1:], lambda leaf: leaf.replace(b"entry/1", b"entry/2"),
     lambda leaf: leaf.replace(b'{"action"', b'{ "action"'), lambda leaf: leaf.replace(b"\n", b""),
     lambda leaf: leaf.replace(b'"logged_us":1', b'"logged_us":true'),
     lambda leaf: leaf.replace(b'"logged_us":1', b'"logged_us":1.0'),
     lambda leaf: leaf.replace(b'"logged_us":1', b'"logged_us":null'),
     lambda leaf: leaf.replace(b'"form":"plain"', b'"form":"other"'),
     lambda leaf: leaf.replace(b'"outcome":"success"', b'"outcome":["success"]'),
     lambda leaf: leaf.replace(b'"topic"', b'"tropic"'),
     lambda leaf: leaf.replace(b'{"action":"a",', b'{"action":"a","action":"a",'),
     lambda leaf: leaf.replace(b'{"action":"a",', b'{"action":"a","actor":null,'),
     lambda leaf: leaf.replace(b'"action":"a"', b'"action":"\\u0061"'),
     lambda leaf: MAGIC + b"[" * 100_000 + b"\n", lambda leaf: MAGIC + b"\xff\n", lambda leaf: b""],
)  # fmt: skip
def test_what_is_not_the_canonical_leaf_is_refused(change: Any) -> None:
    leaf = example().leaf()
    assert Entry.parse(leaf)
    with pytest.raises(Unverified, match="malformed_entry"):
        Entry.parse(change(leaf))


def test_a_sealed_event_opens_with_its_key() -> None:
    entry = example(form="sealed", payload=sealed(KEY, EVENT))
    assert entry.event(KEY) == EVENT
    assert entry.event() is None
    assert EVENT not in entry.leaf()


def test_plain_and_absent_payloads() -> None:
    assert example().event() == EVENT
    assert example().event(KEY) == EVENT
    assert example(form="absent", payload=b"").event(KEY) is None


@given(st.binary(min_size=0, max_size=33))
def test_no_other_key_opens_it(key: bytes) -> None:
    entry = example(form="sealed", payload=sealed(KEY, EVENT))
    with pytest.raises(Unverified, match="wrong_entry_key"):
        entry.event(key)


def test_no_flipped_bit_of_a_sealed_payload_opens() -> None:
    payload = sealed(KEY, EVENT)
    for at in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(Unverified, match="wrong_entry_key"):
            example(form="sealed", payload=bytes(flipped)).event(KEY)


def test_every_event_has_a_key_of_its_own() -> None:
    keys = {
        entry_key(subject, source, event_id, digest)
        for subject in (KEY, KEY[::-1])
        for source in ("a", "b")
        for event_id in ("1", "2")
        for digest in ("x", "y")
    }
    assert len(keys) == 16
    assert all(len(key) == 32 for key in keys)
