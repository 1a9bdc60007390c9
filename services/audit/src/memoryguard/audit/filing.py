# SPDX-License-Identifier: Apache-2.0
"""How an event is filed: what its entry is found by, read from its bytes, which never change."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from pydantic_core import from_json

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.runtime.bus import Received
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.entry import Entry, Form, Outcome, entry_key, sealed

Fields: TypeAlias = dict[str, Any]
"""What an entry is found by, by the names of its fields."""

UNREADABLE = "unreadable"
MAX_TEXT = 500
KEPT_ACTORS = 10_000
NAME_BYTES = 16
DIGEST_BYTES = 16

# By the last word of an event's type; everything else has succeeded.
OUTCOMES: Final[Mapping[str, Outcome]] = {
    "denied": "denied",
    "rejected": "failure",
    "refused": "failure",
    "failed": "failure",
    "conflicted": "failure",
    "withheld": "failure",
}

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_TYPE = re.compile(r"memoryguard\.([a-z]+)\.([a-z]+)\.v[0-9]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Filed:
    """An event as it is filed: what its entry is found by, its digest, and its bytes."""

    fields: Fields
    digest: str
    body: bytes

    @property
    def name(self) -> bytes:
        """What it is known by for ever: 16 bytes of SHA-256 over its source and id."""
        text = f"{self.fields['source']}\0{self.fields['event_id']}"
        return hashlib.sha256(text.encode()).digest()[:NAME_BYTES]

    def entry(self, subject_key: bytes | None, logged_us: int) -> Entry:
        """Make the entry.

        Parameters
        ----------
        subject_key
            The key of the person whom it concerns, under which it is sealed. None: that person is
            erased, and the event is not kept.
        logged_us
            When it is logged.
        """
        form, payload = self._payload(subject_key)
        return Entry(
            **self.fields, digest=self.digest, form=form, logged_us=logged_us, payload=payload
        )

    def _payload(self, subject_key: bytes | None) -> tuple[Form, bytes]:
        if self.fields["subject_id"] == NOBODY:
            return "plain", self.body
        if subject_key is None:
            return "absent", b""
        source, event_id = self.fields["source"], self.fields["event_id"]
        return "sealed", sealed(entry_key(subject_key, source, event_id, self.digest), self.body)


class Filing:
    """Files events.

    Parameters
    ----------
    vault
        Makes the pseudonym of whoever looks at their own data, and keys the digests of events: a
        plain hash of few possible values could be guessed after their person was erased.
    """

    def __init__(self, vault: VaultKey) -> None:
        self._vault = vault
        self._digest_key = vault.log_key()
        self._own: dict[str, str] = {}

    def file(self, record: Received) -> Filed:
        """File a record as it came. What cannot be read is filed under its own digest."""
        try:
            fields = self._fields(record, from_json(record.body, cache_strings=False))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            fields = _unreadable(record)
        digest = hmac.digest(self._digest_key, record.body, "sha256")[:DIGEST_BYTES].hex()
        return Filed(fields, digest, record.body)

    def _fields(self, record: Received, event: Mapping[str, Any]) -> Fields:
        source, event_id, kind = event["source"], event["id"], event["type"]
        if not (_storable(source) and _storable(event_id) and _storable(kind)):
            raise ValueError
        data: Mapping[str, Any] = event.get("data") or {}
        said, outcome = _kind(kind)
        return {
            "action": _text(data.get("action")) or said,
            "actor": self._actor(data, record.key),
            "counter": _number(event.get("producercounter")),
            "epoch": _text(event.get("producerepoch")),
            "event_id": event_id,
            "occurred_us": _microseconds(event.get("time")),
            "outcome": outcome,
            "purpose": _text(data.get("purpose")) or _text(data.get("reason")),
            "scan_id": _text(data.get("scan_id")),
            "source": source,
            "subject_id": record.key if _PSEUDONYM.fullmatch(record.key) else NOBODY,
            "topic": record.topic,
            "type": kind,
        }

    def _actor(self, data: Mapping[str, Any], key: str) -> str | None:
        """Name who acted; people who look at their own data by their pseudonym.

        So nothing leads to their account once they are erased.
        """
        actor = _text(data.get("actor_id"))
        if actor is None:
            return None
        own = self._own.get(actor)
        if own is None:
            if len(self._own) >= KEPT_ACTORS:
                self._own.clear()
            own = self._own[actor] = self._vault.user_subject_id(actor)
        return own if own == key or actor == data.get("user_id") else actor


def _unreadable(record: Received) -> Fields:
    return {
        "action": UNREADABLE,
        "event_id": hashlib.sha256(record.body).hexdigest(),
        "outcome": "failure",
        "source": UNREADABLE,
        "subject_id": NOBODY,
        "topic": record.topic,
        "type": UNREADABLE,
    }


@functools.lru_cache(1000)
def _kind(kind: str) -> tuple[str, Outcome]:
    """What an event of a type says was done, and how it ended."""
    named = _TYPE.fullmatch(kind)
    if named is None:
        return kind, "success"
    return f"{named[1]}.{named[2]}", OUTCOMES.get(named[2], "success")


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Give the moment that many microseconds after 1970."""
    return _EPOCH + at_us * _MICROSECOND


def _microseconds(text: object) -> int | None:
    try:
        said = datetime.fromisoformat(text) if isinstance(text, str) else None
        return microseconds(said.astimezone(UTC)) if said and said.tzinfo else None
    except (ValueError, OverflowError):  # also the first and the last hours of all time
        return None


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _storable(value) else None


def _storable(text: object) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half character, and of a sensible length."""
    return isinstance(text, str) and 0 < len(text) <= MAX_TEXT and text.isprintable()
