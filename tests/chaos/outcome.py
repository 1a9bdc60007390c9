# SPDX-License-Identifier: Apache-2.0
"""The final state of a run, in a form in which two runs can be compared.

Everything that may differ between two runs of the same work is named here, once, with its reason.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.envelope import decrypt
from memoryguard.common.security.keyring import KeyRing
from memoryguard.tlog import published
from memoryguard.tlog.tiles import tile_width, tiles_between

State: TypeAlias = dict[str, Counter[str]]

CLOCK = {
    # When something was done, by the clock; and what a database or a crash counts on the way.
    "inbox": {"position", "attempts", "fence", "not_before", "leased_until", "received_at",
              "finished_at", "digest"},  # the digest covers times; bodies are compared below
    "outbox": {"position", "counter", "created_at", "sent_at"},  # `numbering` looks at them
    "producer": {"epoch", "counter"},  # random; `numbering` looks at the counter
    "migration": {"at"},
    "tombstone": {"erased_at"},
    "setting": {"digest"},  # each run has a database and a bus of its own
    "alias": {"linked_at"},
    "scan": {"received_at"},  # ingest's; it names the object, see PATH_TIME
    "series": {"arrived_at", "changed_at", "judged_at"},
    "image": {"arrived_at"},
    "answer": {"given_at", "sealed"},
    "access_grant": {"at", "expires_at"},  # the time of the api's own event, and a year later
    "access_invitation": {"invitation_id", "grant_expires_at", "expires_at"},  # the id is random
    # The verifier looks at these; order over people is nobody's promise. The payload is the event
    # with its times, sealed; the outboxes' and inboxes' bodies are compared.
    "entry": {"sequence", "logged_at", "occurred_at", "epoch", "counter", "digest", "payload"},
    "head": {"levels", "logged_at"},
}  # fmt: skip
LOG = ("entry", "head")
"""Tables of the log that are compared. How many checkpoints there are is timing."""
ENVELOPE_CLOCK = {"time", "traceparent", "producerepoch", "producercounter"}
DATA_CLOCK = {"seconds", "received_at", "expires_at", "attempts"}  # attempts: a crash is one more
PATH_TIME = re.compile(r"/\d{8}T\d{6}Z-")
RANDOM = "random"
"""In place of an id that nothing caused (UUIDv4); derived ids (UUIDv5) are compared as they are."""


@dataclass
class Outcome:
    """What is left when all is quiet, and what contradicts itself in it."""

    state: State
    order: dict[str, list[str]]
    wrong: list[str] = field(default_factory=list)


def differences(undisturbed: Outcome, other: Outcome, *, asked_again: int) -> list[str]:
    """Say how a run differs from the undisturbed one, and what it contradicts in itself.

    Parameters
    ----------
    undisturbed, other
        The outcomes.
    asked_again
        How often a client had to begin again because an answer was lost. Both were served then,
        and each says three events with random ids at most: what was asked for, and that somebody
        asked, which an upload does twice (what is missing, and here it is).
    """
    found = list(other.wrong)
    for section in sorted(undisturbed.state.keys() | other.state.keys()):
        expected, got = (
            undisturbed.state.get(section, Counter()),
            other.state.get(section, Counter()),
        )
        allowed = 3 * asked_again
        for item in sorted(expected.keys() | got.keys()):
            surplus = got[item] - expected[item]
            again = bool(expected[item]) and RANDOM in item and 0 < surplus <= 2 * asked_again
            if again and surplus <= allowed:
                allowed -= surplus
            elif surplus:
                found.append(f"{section}: {surplus:+d} of {item[:400]}")
    for key in sorted(undisturbed.order.keys() | other.order.keys()):
        if undisturbed.order.get(key, []) != other.order.get(key, []):
            found.append(f"order differs: {key}")
    return found


def normal_event(body: bytes) -> str:
    """Give an event without its times and random ids; what is no event stays as it is."""
    try:
        event: dict[str, Any] = json.loads(body)
        data = event["data"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return body.hex()
    kept = {k: v for k, v in event.items() if k not in ENVELOPE_CLOCK}
    for name in ("id", "correlationid", "causationid"):
        if name in kept:
            kept[name] = normal_id(kept[name])
    kept["data"] = {k: v for k, v in data if k not in DATA_CLOCK}
    return PATH_TIME.sub("/<time>-", json.dumps(kept, sort_keys=True))


def normal_id(text: str) -> str:
    """Give a derived id as it is."""
    try:
        return RANDOM if uuid.UUID(text).version == 4 else text
    except ValueError:
        return text


async def tables(connection: Pool, schema: str) -> State:
    """Every row of every table of a service's schema."""
    names = await connection.fetch(
        "select table_name from information_schema.tables where table_schema = $1", schema
    )
    places = [(schema, name) for (name,) in names]
    if schema == "audit":
        places += [("log", name) for name in LOG]
    state: State = {}
    for place in places:
        rows = await connection.fetch("select * from {}.{}".format(*place))
        left_out = CLOCK.get(place[1], set()) if place != ("api", "scan") else set()
        state[".".join(place)] = Counter(_row(dict(row), left_out) for row in rows)
    return state


def _row(row: dict[str, Any], left_out: set[str]) -> str:
    kept = {k: v for k, v in row.items() if k not in left_out}
    if "body" in kept and kept["body"] is not None:
        kept["body"] = normal_event(bytes(kept["body"]))
    if "answer_key" in kept:  # of a key that a client makes up for each upload
        kept["answer_key"] = RANDOM
    if "event_id" in kept:
        kept["event_id"] = normal_id(kept["event_id"])
    return json.dumps(kept, sort_keys=True, default=repr)


async def order_of_rows(connection: Pool, schema: str) -> dict[str, list[str]]:
    """In which order each person's events lie in inbox, outbox and log, topic by topic."""
    queries = {
        "inbox": "select topic, key, event_id from {}.inbox order by position",
        "outbox": "select topic, key, event_id from {}.outbox order by counter",
    }
    if schema == "audit":
        queries["entry"] = "select topic, subject_id, event_id from log.entry order by sequence"
    found: defaultdict[str, list[str]] = defaultdict(list)
    for table, query in queries.items():
        for topic, key, event_id in await connection.fetch(query.format(schema)):
            if normal_id(event_id) != RANDOM:
                found[f"{table} {topic} {key}"].append(event_id)
    return dict(found)


async def numbering(connection: Pool, service: str, published: Sequence[Record]) -> list[str]:
    """Check that all that was said was published, numbered without gaps, with one body, in order.

    A record may be on the bus twice (killed before it was marked as sent): the same bytes then.
    """
    wrong: list[str] = []
    rows = await connection.fetch(f"select * from {service}.outbox order by counter")
    if [row["counter"] for row in rows] != list(range(1, len(rows) + 1)):
        wrong.append("counters are not 1, 2, 3, …")
    if any(row["sent_at"] is None for row in rows):
        wrong.append("something is not sent")
    if len(rows) != await connection.fetchval(f"select counter from {service}.producer"):
        wrong.append("the producer's counter is not that of its last event")
    mine = [r for r in published if _numbered_by(r, service)]
    bodies = defaultdict[str, set[bytes]](set)
    firsts = defaultdict[tuple[str, str], list[int]](list)
    for record in mine:
        event = json.loads(record.body)
        if not bodies[event["id"]]:
            firsts[record.topic, record.key].append(event["producercounter"])
        bodies[event["id"]].add(record.body)
    if set(bodies) != {row["event_id"] for row in rows}:
        wrong.append("the bus does not hold just what the outbox says")
    wrong += [
        f"an event was published with two bodies: {i}" for i, b in bodies.items() if len(b) > 1
    ]
    for (topic, key), counters in firsts.items():
        if counters != sorted(counters):
            wrong.append(f"published out of order: {topic} {key}")
    return wrong


def _numbered_by(record: Record, service: str) -> bool:
    try:
        event = json.loads(record.body)
        return event["source"] == f"/memoryguard/{service}" and "producercounter" in event
    except (ValueError, KeyError, TypeError):
        return False


async def objects(
    store: Any, keyring: KeyRing, identities: KeyRing
) -> tuple[Counter[str], dict[str, str]]:
    """Every object's path and plain digest; also each checkpoint that was sent off.

    Not what is staged: of that a crash leaves some, which is swept after a day. Nor the published
    log: how far it had come at which moment is timing; `unpublished` looks at it.
    """
    import hashlib

    sealed = {
        str(meta["path"]): bytes(await (await store.get_async(meta["path"])).bytes_async())
        for metas in [await store.list().collect_async()]
        for meta in metas
    }
    notes = {p: b.decode() for p, b in sealed.items() if "checkpoint" in p}
    keys = {
        p: (identities if "/identity/" in p else keyring).unwrap(b, p.rsplit("/", 1)[1])
        for p, b in sealed.items()
        if p.startswith("keys/")
    }
    found = Counter(keys.keys())
    for path, content in sealed.items():
        folder, subject, *_ = path.split("/")
        if folder in ("keys", "checkpoints", "log", "staging"):
            continue
        key = keys[f"keys/identity/{subject}" if folder == "identity" else f"keys/{subject}"]
        plain = b"".join(decrypt([content], subject_key=key, object_id=path, subject_id=subject))
        normal = PATH_TIME.sub("/<time>-", path)
        found[f"{normal} {hashlib.sha256(plain).hexdigest()}"] += 1
    return found, notes


def unpublished(notes: Mapping[str, str], paths: Iterable[str]) -> list[str]:
    """What the published log lacks under its newest checkpoint, which must be the newest of all."""
    newest = notes[max(path for path in notes if path.startswith("checkpoints/"))]
    if notes.get(published.CHECKPOINT) != newest:
        return ["the published log is not that of the newest checkpoint"]
    size, there = int(newest.split("\n")[1]), set(paths)
    needed = [published.tile(*at, tile_width(*at, size)) for at in tiles_between(0, size)]
    return [f"a tile is not published: {path}" for path in needed if path not in there]


def unresolved(records: Iterable[Record], paths: Iterable[str]) -> list[str]:
    """References of events to objects that are not there."""
    there = set(paths)
    named = {
        uri
        for record in records
        for uri in re.findall(rb'"uri":"((?:scans|derived)/[^"]+)"', record.body)
    }
    return [f"an event names an object that is not there: {u.decode()}" for u in named
            if u.decode() not in there]  # fmt: skip
