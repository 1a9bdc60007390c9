# SPDX-License-Identifier: Apache-2.0
"""What is asked of the log: filters, as a request's parameters say them, and where a page ended."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, get_args

from memoryguard.audit.filing import UNREADABLE, microseconds, moment
from memoryguard.common.errors import Rejected
from memoryguard.common.http.moment import read_moment
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.entry import Outcome

if TYPE_CHECKING:
    from multidict import MultiMapping

MAX_TEXT = 500
NAMES: Final = (
    "subject", "user", "actor", "scan", "action", "outcome", "purpose", "type", "from", "to",
)  # fmt: skip
"""Parameters that filter."""

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_TYPE = re.compile(r"memoryguard\.[a-z]+\.[a-z]+\.v[0-9]+")
_ACTION = re.compile(r"[^*]+\*?")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; what is empty or None does not matter.

    Parameters
    ----------
    subjects, actors, types
        One of these.
    action
        The action, or the beginning of it and ``*``.
    since, until
        When it happened: from `since` on, before `until`.
    below
        Only entries with a smaller sequence number.
    """

    subjects: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    scan_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    purpose: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the last entry's time (None: it has none) and sequence number."""

    occurred_at: datetime | None
    sequence: int

    def to_text(self) -> str:
        """Write it for a URL."""
        at = None if self.occurred_at is None else microseconds(self.occurred_at)
        text = json.dumps([at, self.sequence], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Place:
        """Read what `to_text` wrote.

        Raises
        ------
        Rejected
            ``bad_cursor``.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            at, sequence = json.loads(base64.urlsafe_b64decode(padded))
            if not (type(sequence) is int and 0 <= sequence < 2**63):
                raise ValueError
            place = cls(None if at is None else moment(at), sequence)
            if place.to_text() != text:
                raise ValueError
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Rejected("bad_cursor", "the cursor is not one of ours") from error
        return place


def parameters(query: MultiMapping[str], known: Collection[str]) -> dict[str, str]:
    """Give a request's parameters, each of which may be given once.

    Raises
    ------
    Rejected
        ``bad_filter``: a parameter is unknown, or there twice.
    """
    if len(set(query)) != len(query):
        raise _bad("a parameter is given twice")
    if not set(query) <= set(known):
        raise _bad("a parameter is unknown", f"known are {', '.join(sorted(known))}")
    return dict(query)


def read_filter(given: Mapping[str, str], vault: VaultKey) -> Filter:
    """Read a filter.

    Parameters
    ----------
    given
        Parameters; those that are not in ``NAMES`` are passed over.
    vault
        Turns an account into its pseudonym.

    Raises
    ------
    Rejected
        ``bad_filter``.
    """
    said = {name: given[name] for name in NAMES if name in given}
    for name, text in said.items():
        if not (0 < len(text) <= MAX_TEXT and text.isprintable()):
            raise _bad(f"{name} is empty, too long, or holds what cannot be printed")
    actor = said.get("actor")
    kinds = (said["type"],) if "type" in said else ()
    if not all(kind == UNREADABLE or _TYPE.fullmatch(kind) for kind in kinds):
        raise _bad("type is not a type of event", "for instance memoryguard.access.read.v1")
    found = Filter(
        subjects=_subjects(said, vault),
        actors=() if actor is None else (actor, vault.user_subject_id(actor)),
        types=kinds,
        scan_id=said.get("scan"),
        action=said.get("action"),
        outcome=said.get("outcome"),
        purpose=said.get("purpose"),
        since=_moment(said, "from"),
        until=_moment(said, "to"),
    )
    return _checked(found)


def shown(wanted: Filter) -> dict[str, object]:
    """Write a filter as plain data, as an export tells it: people by their pseudonyms."""
    said = {
        "subject": ",".join(wanted.subjects),
        "actor": wanted.actors[0] if wanted.actors else None,
        "scan": wanted.scan_id,
        "action": wanted.action,
        "outcome": wanted.outcome,
        "purpose": wanted.purpose,
        "type": ",".join(wanted.types),
        "from": wanted.since.isoformat() if wanted.since else None,
        "to": wanted.until.isoformat() if wanted.until else None,
    }
    return {name: value for name, value in said.items() if value}


def below(wanted: Filter, size: int) -> Filter:
    """Narrow a filter to the first `size` entries of the log."""
    return replace(wanted, below=size)


def _subjects(said: Mapping[str, str], vault: VaultKey) -> tuple[str, ...]:
    if "subject" in said and "user" in said:
        raise _bad("subject and user both name a person", "give one of them")
    if "user" in said:
        return (vault.user_subject_id(said["user"]),)
    if "subject" not in said:
        return ()
    if not _PSEUDONYM.fullmatch(said["subject"]):
        raise _bad("subject is not a pseudonym", "32 hexadecimal digits; user takes an account")
    return (said["subject"],)


def _checked(found: Filter) -> Filter:
    if found.outcome is not None and found.outcome not in get_args(Outcome):
        raise _bad("outcome is not one of ours", f"one of {', '.join(get_args(Outcome))}")
    if found.action is not None and not _ACTION.fullmatch(found.action):
        raise _bad("action has a * before its end", "an action, or the beginning of one and *")
    if found.since and found.until and found.since >= found.until:
        raise _bad("from is not before to")
    return found


def _moment(said: Mapping[str, str], name: str) -> datetime | None:
    return read_moment(said[name], name) if name in said else None


def _bad(message: str, hint: str = "") -> Rejected:
    return Rejected("bad_filter", message, hint)
