# SPDX-License-Identifier: Apache-2.0
"""The log in PostgreSQL: entries, tree nodes and head are written in one transaction.

A single writer holds the head row, so sequence numbers are dense. An event that comes again is
known by its source and id and changes nothing: the log is its own inbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import from_json

from memoryguard.audit.domain.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.audit.domain.merkle import (
    Coordinate,
    Frontier,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
)
from memoryguard.audit.domain.note import Signer
from memoryguard.audit.domain.proof import EntryProof
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.errors import Corrupt, Unavailable
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Connection, Pool

UNREADABLE = "unreadable"
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as the log files it. What cannot be read is filed under its own digest."""

    topic: str
    source: str
    event_id: str
    type: str
    key: str
    scan_id: str | None
    body: bytes


def filed(record: Received) -> Incoming:
    """Read what an entry is found by; the bytes themselves are never changed."""
    try:
        document = from_json(record.body)
        source, event_id, kind = (document[name] for name in ("source", "id", "type"))
        scan_id = _scan_id(document.get("data"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return _unreadable(record)
    if not all(_storable(text) for text in (source, event_id, kind, record.key)):
        return _unreadable(record)
    return Incoming(record.topic, source, event_id, kind, record.key, scan_id, record.body)


def _unreadable(record: Received) -> Incoming:
    digest = hashlib.sha256(record.body).hexdigest()
    return Incoming(record.topic, UNREADABLE, digest, UNREADABLE, NOBODY, None, record.body)


def _scan_id(data: object) -> str | None:
    found: object = data.get("scan_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and _storable(found) else None


def _storable(text: object) -> bool:
    """Whether PostgreSQL can store it: no NUL, no half character, and of a sensible length."""
    return isinstance(text, str) and 0 < len(text) <= MAX_TEXT and text.isprintable()


async def append(transaction: Connection, records: Sequence[Received]) -> list[Incoming]:
    """Append what is new, in order.

    Returns
    -------
    list
        Records whose source and id are known with *other* bytes. They are security events; the
        first version stays.
    """
    head = await transaction.fetchrow("select size, frontier from head for update")
    if head is None:
        raise Corrupt("no_head", "the audit log has lost its head")
    frontier = Frontier(head["size"], tuple(bytes(each) for each in head["frontier"]))
    incoming = [filed(record) for record in records]
    known = await _known(transaction, incoming)
    fresh: dict[tuple[str, str], Incoming] = {}
    conflicts: list[Incoming] = []
    for each in incoming:
        name = (each.source, each.event_id)
        before = known.get(name) or (fresh[name].body if name in fresh else None)
        if before is None:
            fresh[name] = each
        elif before != each.body:
            conflicts.append(each)
    if fresh:
        await _write(transaction, frontier, list(fresh.values()))
    return conflicts


async def _known(
    transaction: Connection, incoming: Sequence[Incoming]
) -> dict[tuple[str, str], bytes]:
    rows = await transaction.fetch(
        "select e.source, e.event_id, e.body from entry e"
        " join unnest($1::text[], $2::text[]) as n (source, event_id) using (source, event_id)",
        [each.source for each in incoming],
        [each.event_id for each in incoming],
    )
    return {(row["source"], row["event_id"]): bytes(row["body"]) for row in rows}


async def _write(transaction: Connection, frontier: Frontier, fresh: Sequence[Incoming]) -> None:
    hashes = [leaf_hash(each.body) for each in fresh]
    grown, nodes = frontier.append(hashes)
    await transaction.copy_records_to_table(
        "entry",
        columns=[
            "sequence", "source", "event_id", "topic", "type", "key", "scan_id", "body", "hash",
        ],
        records=[
            (frontier.size + i, e.source, e.event_id, e.topic, e.type, e.key, e.scan_id, e.body, h)
            for i, (e, h) in enumerate(zip(fresh, hashes, strict=True))
        ],
    )  # fmt: skip
    await transaction.copy_records_to_table(
        "node", columns=["level", "position", "hash"], records=[tuple(node) for node in nodes]
    )
    await transaction.execute(
        "update head set size = $1, frontier = $2", grown.size, list(grown.hashes)
    )


async def sign(transaction: Connection, signer: Signer) -> tuple[int, str] | None:
    """Sign a checkpoint when the log has grown since the last; its size and note.

    The head is held: another replica that signs at the same moment then finds nothing to sign.
    """
    head = await transaction.fetchrow("select size, frontier from head for update")
    last = await transaction.fetchval("select max(size) from checkpoint")
    if head is None or head["size"] in (0, last):
        return None
    frontier = Frontier(head["size"], tuple(bytes(each) for each in head["frontier"]))
    note = sign_checkpoint(Checkpoint(signer.name, frontier.size, frontier.root), signer)
    await transaction.execute(
        "insert into checkpoint (size, note) values ($1, $2)", frontier.size, note
    )
    return frontier.size, note


async def unsent(pool: Pool) -> list[tuple[int, str, datetime]]:
    """Give checkpoints that have not left the box: size, note, and when they were signed."""
    rows = await pool.fetch(
        "select size, note, signed_at from checkpoint left join sent using (size)"
        " where sent.size is null order by size"
    )
    return [(row["size"], row["note"], row["signed_at"]) for row in rows]


async def prove(pool: Pool, sequence: int) -> EntryProof:
    """Prove one entry under the newest checkpoint.

    Raises
    ------
    Unavailable
        ``not_signed_yet``: no checkpoint covers the entry so far.
    """
    row = await pool.fetchrow(
        "select size, note from checkpoint where size > $1 order by size desc limit 1", sequence
    )
    if row is None:
        raise Unavailable("not_signed_yet", "no checkpoint covers this entry yet", "ask again")
    parts = inclusion_nodes(sequence, row["size"])
    nodes = await stored_nodes(pool, [each for part in parts for each in part])
    hashes = inclusion_proof(sequence, row["size"], lambda level, at: nodes[level, at])
    return EntryProof(sequence, tuple(hashes), row["note"])


async def stored_nodes(pool: Pool, wanted: Iterable[Coordinate]) -> dict[Coordinate, bytes]:
    """Fetch tree nodes by level and position."""
    pairs = list(wanted)
    rows = await pool.fetch(
        "select level, position, hash from node"
        " join unnest($1::int[], $2::bigint[]) as n (level, position) using (level, position)",
        [level for level, _ in pairs],
        [position for _, position in pairs],
    )
    return {(row["level"], row["position"]): bytes(row["hash"]) for row in rows}
