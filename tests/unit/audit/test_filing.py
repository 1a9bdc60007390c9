# SPDX-License-Identifier: Apache-2.0
"""How events are filed: what an entry is found by, and what is sealed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.audit.filing import Filing, microseconds, moment
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.runtime.bus import Received
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.entry import Entry, entry_key

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "libs" / "common" / "examples"
VAULT = VaultKey(bytes(32))
KEY = bytes(range(32))
SUBJECT = "a" * 32


def filed(body: bytes, key: str = SUBJECT, subject_key: bytes | None = KEY) -> Entry:
    return Filing(VAULT).file(Received("topic", key, body, 1)).entry(subject_key, 7)


def event(kind: str = "memoryguard.access.read.v1", **data: Any) -> bytes:
    return json.dumps({"source": "s", "id": "1", "type": kind, "data": data}).encode()


@pytest.mark.parametrize("kind", FACTS)
def test_every_event_of_the_platform_is_filed_sealed_and_opens_again(kind: str) -> None:
    body = (EXAMPLES / f"{kind}.json").read_bytes()
    document = json.loads(body)
    entry = filed(body)
    assert (entry.type, entry.source, entry.event_id) == (
        kind, document["source"], document["id"],
    )  # fmt: skip
    assert entry.scan_id == document["data"].get("scan_id")
    assert entry.counter == document.get("producercounter")
    assert entry.form == "sealed"
    assert entry.event(entry_key(KEY, entry.source, entry.event_id, entry.digest)) == body
    for secret in ("volumes_mm3", "metrics", "probabilities", "regions"):
        assert secret.encode() not in entry.leaf()


@pytest.mark.parametrize(
    ("kind", "action", "outcome"),
    [("memoryguard.scan.rejected.v1", "scan.rejected", "failure"),
     ("memoryguard.volumes.refused.v1", "volumes.refused", "failure"),
     ("memoryguard.risk.withheld.v1", "risk.withheld", "failure"),
     ("memoryguard.delivery.failed.v1", "delivery.failed", "failure"),
     ("memoryguard.delivery.conflicted.v1", "delivery.conflicted", "failure"),
     ("memoryguard.access.denied.v2", "access.denied", "denied"),
     ("memoryguard.risk.predicted.v1", "risk.predicted", "success"),
     ("somebody.elses.event", "somebody.elses.event", "success")],
)  # fmt: skip
def test_what_was_done_and_how_it_ended(kind: str, action: str, outcome: str) -> None:
    entry = filed(event(kind))
    assert (entry.action, entry.outcome) == (action, outcome)


def test_who_looks_at_their_own_data_is_a_pseudonym() -> None:
    own = VAULT.user_subject_id("anna")
    assert filed(event(actor_id="anna", user_id="anna")).actor == own
    assert filed(event(actor_id="anna"), own).actor == own
    assert filed(event(actor_id="doctor", user_id="anna"), own).actor == "doctor"
    assert b"anna" not in filed(event(actor_id="anna", user_id="anna"), own).leaf()


def test_what_concerns_nobody_is_plain_and_what_comes_after_an_erasure_is_absent() -> None:
    body = event(actor_id="x")
    assert (filed(body, NOBODY).form, filed(body, NOBODY).payload) == ("plain", body)
    assert (filed(body, "not a pseudonym").subject_id) == NOBODY
    erased = filed(body, subject_key=None)
    assert (erased.form, erased.payload, erased.actor) == ("absent", b"", "x")


def test_the_digest_tells_the_same_event_from_another_and_needs_the_key() -> None:
    assert filed(event(a=1)).digest == filed(event(a=1)).digest
    assert filed(event(a=1)).digest != filed(event(a=2)).digest
    other = Filing(VaultKey(bytes(31) + b"1"))
    assert other.file(Received("topic", SUBJECT, event(a=1), 1)).digest != filed(event(a=1)).digest


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda document: json.dumps(document).encode(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["source", "id", "type", "data", "time", "actor_id", "reason"]),
                    inner,
                    max_size=7,
                )
            ),
            max_leaves=12,
        ),
    ),
    st.text(max_size=40),
)
def test_anything_at_all_is_filed(body: bytes, key: str) -> None:
    record = Received("topic", key, body, 1)
    entry = Filing(VAULT).file(record).entry(KEY, 7)
    assert Entry.parse(entry.leaf()) == entry
    assert entry.payload or not body


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-01T00:00:00",
        "yesterday",
        7,
        None,
        "9999-99-99T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_time_that_is_none_is_absent(time: object) -> None:
    document = json.loads(event()) | {"time": time}
    assert filed(json.dumps(document).encode()).occurred_us is None


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_time_of_all_come_back(time: str) -> None:
    document = json.loads(event()) | {"time": time}
    at_us = filed(json.dumps(document).encode()).occurred_us
    assert at_us is not None and moment(at_us) == datetime.fromisoformat(time)


def test_moments_come_back_to_the_microsecond() -> None:
    at = datetime(2026, 5, 17, 12, 0, 0, 123457, UTC)
    assert moment(microseconds(at)) == at
