# SPDX-License-Identifier: Apache-2.0
"""A result that carries its proof: are its numbers those of events in the log? Pure, and offline.

A result is the analysis document of a scan with a block ``proof``: a signed checkpoint, and for
each event behind the numbers its entry, the key that opens it, and its inclusion proof. What the
result says is compared with what those events say, row by row of the table in `covered`. What no
row speaks of is reported as not proven.

This shows that the platform has said these numbers of this scan. It does not show that they are
right, nor that nothing newer has been said since the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint
from memoryguard.tlog.covered import ROLES, TABLE, Document
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import VerifierKey, decode_base64
from memoryguard.tlog.proof import EntryProof

Path: TypeAlias = tuple[str | int, ...]

MAX_EVENTS = 100
MAX_NAME = 120

# The proof's own parts: each is checked, or (reasons) explains what is not there.
_MACHINERY = {("proof", name) for name in ("status", "pending", "checkpoint", "events", "reasons")}
_NAMES = {("id",), ("imaging_id",)}  # compared with what every event names


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """An event that lies in the log: where, which, by whom and when; and what it says."""

    sequence: int
    type: str
    source: str
    id: str
    time: str
    data: Document


@dataclass(frozen=True, slots=True)
class ResultReport:
    """What holds of a result.

    Parameters
    ----------
    complete
        Whether every number that `TABLE` speaks of is that of an event in the log.
    scan_id
        The scan that it is about.
    checkpoint
        What the proofs lead to; None where nothing was signed yet.
    events
        What was proved, in the order of the log.
    pending
        Types of events that are not proved yet.
    proven
        Paths whose values are those of proved events.
    unproven
        Paths with values that nothing vouches for.
    """

    complete: bool
    scan_id: str
    checkpoint: Checkpoint | None
    events: tuple[ProvenEvent, ...]
    pending: tuple[str, ...]
    proven: tuple[str, ...]
    unproven: tuple[str, ...]


def verify_result(document: object, key: VerifierKey) -> ResultReport:
    """Check a result against its own proof.

    Parameters
    ----------
    document
        The analysis document with its ``proof``, as read from JSON.
    key
        The log's public key.

    Returns
    -------
    ResultReport
        What is proved and what is not; a result whose proof is pending is not complete.

    Raises
    ------
    Unverified
        ``no_proof``, ``malformed_result``, ``other_scan``; ``changed_value`` (the message names
        the path), ``unproven_value`` (a result that says it is complete has a value that no event
        stands behind); and the codes of `EntryProof.verify`, `Entry.parse` and `Entry.event`.
    """
    try:
        return _verify(document, key)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise _malformed() from error


def _verify(document: object, key: VerifierKey) -> ResultReport:
    result = _mapping(document)
    block = result.get("proof")
    if block is None:
        raise Unverified("no_proof", "the result carries no proof")
    block = _mapping(block)
    note, items = block["checkpoint"], cast("list[object]", block["events"])
    if len(items) > MAX_EVENTS or (items and note is None):
        raise _malformed()
    checkpoint = None if note is None else open_checkpoint(str(note), key)
    opened = [_open(_mapping(item), str(note), key) for item in items]
    scan_id = _one_scan(result, opened)
    events = sorted((event for _, event in opened), key=lambda event: event.sequence)
    claimed = block["status"] == "complete"
    proven, unproven = _compare(result, _by_role(events), claimed=claimed)
    pending = tuple(_type_of(_mapping(each)) for each in block["pending"])
    return ResultReport(
        complete=claimed and bool(events) and not pending,
        scan_id=scan_id,
        checkpoint=checkpoint,
        events=tuple(events),
        pending=pending,
        proven=tuple(proven),
        unproven=(*unproven, *(_dotted(path) for path in _uncovered(result, ()))),
    )


def _open(item: Document, note: str, key: VerifierKey) -> tuple[Entry, ProvenEvent]:
    """Prove one event, and open it."""
    sequence, opening = item["sequence"], item["opening"]
    if type(sequence) is not int:
        raise _malformed()
    leaf = decode_base64(item["entry"], "malformed_result")
    hashes = tuple(decode_base64(each, "malformed_result") for each in item["proof"])
    try:
        EntryProof(sequence, hashes, note).verify(leaf, key)
        entry = Entry.parse(leaf)
        body = entry.event(None if opening is None else decode_base64(opening, "malformed_result"))
    except Unverified as error:
        raise Unverified(error.code, f"{error.message} (entry {sequence} of the proof)") from error
    if body is None:
        raise Unverified("entry_sealed", f"nothing opens entry {sequence} of the proof")
    event = _mapping(json.loads(body))
    if not item["type"] == entry.type == event["type"]:
        raise Unverified("other_type", f"entry {sequence} of the proof is of another type")
    data = _mapping(event["data"])
    return entry, ProvenEvent(
        sequence, entry.type, event["source"], event["id"], event["time"], data
    )


def _one_scan(result: Document, opened: Sequence[tuple[Entry, ProvenEvent]]) -> str:
    """Check that all events are of the result's scan, of one person, and of the same archive."""
    scan_id = result["id"]
    named = {result["imaging_id"], *(event.data.get("scan_id") for _, event in opened)}
    if not isinstance(scan_id, str) or named != {scan_id}:
        raise Unverified("other_scan", "the proof is of another scan than id and imaging_id say")
    archives = {(event.data.get("archive") or {}).get("sha256") for _, event in opened}
    if len({entry.subject_id for entry, _ in opened}) > 1 or len(archives - {None}) > 1:
        raise Unverified("other_scan", "the events of the proof are not of one scan")
    return scan_id


def _by_role(events: Sequence[ProvenEvent]) -> Mapping[str, Document]:
    """Give the data of the events by what they are to the result."""
    known = [(ROLES[event.type], event) for event in events if event.type in ROLES]
    found = {role: event.data for role, event in known}
    if len(found) < len(known):
        raise _malformed()
    if "measured" not in found and "scored" in found:  # the score repeats what was measured
        found["measured"] = found["scored"]
    if "scored" in found:
        found["features"] = found["measured"]
    for role, event in known:
        if role == "answered":
            found["predicted" if ".predicted." in event.type else "withheld"] = event.data
    return found


def _compare(
    result: Document, events: Mapping[str, Document], *, claimed: bool
) -> tuple[list[str], list[str]]:
    """Compare every row; the paths that are proven, and those that have no event behind them."""
    proven, unproven = list[str](), list[str]()
    for row in TABLE:
        event = events.get(row.role)
        given = dict(_leaves(_at(result, row.path)))
        said = row.take(_at(event, row.of)) if event is not None else None
        expected = dict(_leaves(row.otherwise if said is None else said))
        different = _first_difference(given, expected)
        if different is None:
            proven += [row.path] if given and event is not None else []
        elif event is not None:
            path = _dotted((*row.path.split("."), *different))
            raise Unverified("changed_value", f"{path} is not what the log holds")
        elif claimed:
            path = _dotted((*row.path.split("."), *different))
            raise Unverified("unproven_value", f"no event of the proof stands behind {path}")
        else:
            unproven.append(row.path)
    return proven, unproven


def _first_difference(given: Mapping[Path, object], expected: Mapping[Path, object]) -> Path | None:
    for path in (*given, *expected):
        if path not in given or path not in expected or not _same(given[path], expected[path]):
            return path
    return None


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Give every value with its path; null, and what is empty, is the same as not there."""
    if isinstance(value, dict):
        for name, each in cast("dict[str, object]", value).items():
            yield from _leaves(each, (*path, name))
    elif isinstance(value, list):
        for place, each in enumerate(cast("list[object]", value)):
            yield from _leaves(each, (*path, place))
    elif value is not None:
        yield path, value


def _uncovered(value: object, path: Path) -> Iterator[Path]:
    """Find what no row speaks of, as near to the root as possible."""
    if _dotted(path) in _ROWS or path in _MACHINERY:
        return
    if path in _ABOVE and isinstance(value, dict):
        for name, each in cast("dict[str, object]", value).items():
            yield from _uncovered(each, (*path, name))
    elif path not in _NAMES and any(True for _ in _leaves(value)):
        yield path


_ROWS = {row.path for row in TABLE}
_ABOVE = {
    tuple(parts[:depth])
    for parts in (row.path.split(".") for row in TABLE)
    for depth in range(len(parts))
}


def _dotted(path: Path) -> str:
    """Write a path; what could not be a name of ours is not repeated."""
    names = [str(part) for part in path]
    return ".".join(n if n.isprintable() and len(n) <= MAX_NAME else "?" for n in names)


def _at(document: object, dotted: str) -> Any:
    found: Any = document
    for name in dotted.split("."):
        found = None if found is None else _mapping(found).get(name)
    return found


def _type_of(pending: Document) -> str:
    return pending["type"] if pending["type"] in ROLES else "another event"


def _mapping(value: object) -> Document:
    if not isinstance(value, dict):
        raise _malformed()
    return cast("Document", value)


def _malformed() -> Unverified:
    return Unverified("malformed_result", "this is not a result with a proof")
