# SPDX-License-Identifier: Apache-2.0
"""How an event is filed: what its entry is found by, read from its bytes, which never change."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.runtime.bus import Received
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.entry import Entry, Outcome

UNREADABLE = "unreadable"
MAX_TEXT = 500
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

    def file(self, record: Received) -> Entry:
        """File a record as an entry that is plain and not dated yet.

        What cannot be read is filed under its own digest.
        """
        try:
            return self._entry(record, from_json(record.body))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return self._unreadable(record)

    def _entry(self, record: Received, event: Mapping[str, Any]) -> Entry:
        source, event_id, kind = event["source"], event["id"], event["type"]
        if not (_storable(source) and _storable(event_id) and _storable(kind)):
            raise ValueError
        data: Mapping[str, Any] = event.get("data") or {}
        named = _TYPE.fullmatch(kind)
        noun, verb = named.groups() if named else (UNREADABLE, UNREADABLE)
        return Entry(
            action=_text(data.get("action")) or (f"{noun}.{verb}" if named else kind),
            actor=self._actor(data, record.key),
            counter=_number(event.get("producercounter")),
            digest=self._digest(record.body),
            epoch=_text(event.get("producerepoch")),
            event_id=event_id,
            form="plain",
            logged_us=0,
            occurred_us=_microseconds(event.get("time")),
            outcome=OUTCOMES.get(verb, "success"),
            purpose=_text(data.get("purpose")) or _text(data.get("reason")),
            scan_id=_text(data.get("scan_id")),
            source=source,
            subject_id=record.key if _PSEUDONYM.fullmatch(record.key) else NOBODY,
            topic=record.topic,
            type=kind,
            payload=record.body,
        )

    def _actor(self, data: Mapping[str, Any], subject_id: str) -> str | None:
        """Name who acted; people who look at their own data by their pseudonym.

        So nothing leads to their account once they are erased.
        """
        actor = _text(data.get("actor_id"))
        if actor is None:
            return None
        own = self._vault.user_subject_id(actor)
        return own if own == subject_id or actor == data.get("user_id") else actor

    def _unreadable(self, record: Received) -> Entry:
        return Entry(
            action=UNREADABLE,
            digest=self._digest(record.body),
            event_id=hashlib.sha256(record.body).hexdigest(),
            form="plain",
            logged_us=0,
            outcome="failure",
            source=UNREADABLE,
            subject_id=NOBODY,
            topic=record.topic,
            type=UNREADABLE,
            payload=record.body,
        )

    def _digest(self, body: bytes) -> str:
        return hmac.digest(self._digest_key, body, "sha256")[:DIGEST_BYTES].hex()


def name_of(entry: Entry) -> bytes:
    """What an event is known by for ever: 16 bytes of SHA-256 over its source and id."""
    text = f"{entry.source}\0{entry.event_id}"
    return hashlib.sha256(text.encode()).digest()[:NAME_BYTES]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """Give the moment that many microseconds after 1970."""
    return _EPOCH + at_us * _MICROSECOND


def _microseconds(text: object) -> int | None:
    try:
        said = datetime.fromisoformat(text) if isinstance(text, str) else None
        return microseconds(said) if said and said.tzinfo else None
    except ValueError:
        return None


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _storable(value) else None


def _storable(text: object) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half character, and of a sensible length."""
    return isinstance(text, str) and 0 < len(text) <= MAX_TEXT and text.isprintable()
