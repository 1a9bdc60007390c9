# SPDX-License-Identifier: Apache-2.0
"""An entry as an export shows it: what it is found by, and what verifies it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import encode_base64

STARTS_A_FORMULA = tuple("=+-@\t\r")
"""What a field of a CSV may not begin with: an apostrophe stands before it."""

_HEADER = tuple(each.name for each in fields(Entry) if each.name != "payload")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = {"occurred_us": "occurred_at", "logged_us": "logged_at"}
FIELDS = ("sequence", *(_TIMES.get(name, name) for name in _HEADER))
"""Fields of an entry's header as an export shows them, in this order."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry with what opens and proves it.

    Parameters
    ----------
    sequence
        Its place in the log.
    entry
        As it lies there.
    opening
        Key of this one entry; None where there is none, or no more.
    proof
        Hashes of its inclusion proof.
    event
        The event, byte for byte, as far as it opens.
    """

    sequence: int
    entry: Entry
    opening: bytes | None
    proof: tuple[bytes, ...]
    event: bytes | None

    def parsed(self) -> Mapping[str, Any] | None:
        """Read the event; None where it does not open, or is no JSON object."""
        try:
            event = json.loads(self.event) if self.event is not None else None
        except (ValueError, RecursionError):
            return None
        return event if isinstance(event, dict) else None


def line(exported: Exported) -> dict[str, Any]:
    """Write an entry as a line of an export in JSON."""
    return {
        **shown(exported.sequence, exported.entry),
        "entry": encode_base64(exported.entry.leaf()),
        "opening": None if exported.opening is None else encode_base64(exported.opening),
        "proof": texts(exported.proof),
        "event": exported.parsed(),
    }


def texts(contents: Sequence[bytes]) -> list[str]:
    """Write several byte strings as base64."""
    return [encode_base64(each) for each in contents]


def shown(sequence: int, entry: Entry) -> Mapping[str, Any]:
    """Write an entry's header as an export shows it; times in UTC."""
    values = {name: getattr(entry, name) for name in _HEADER}
    return {"sequence": sequence} | {
        _TIMES.get(name, name): time_text(value) if name in _TIMES else value
        for name, value in values.items()
    }


def time_text(at_us: int | None) -> str | None:
    """Write microseconds since 1970 as RFC 3339."""
    if at_us is None:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
    except OverflowError as error:
        raise Unverified("malformed_entry", "a time is beyond all calendars") from error


def guarded(value: object) -> str:
    """Write a field of a CSV that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    written = "" if value is None else str(value)
    return f"'{written}" if written.startswith(STARTS_A_FORMULA) else written
