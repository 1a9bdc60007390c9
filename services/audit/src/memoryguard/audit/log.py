# SPDX-License-Identifier: Apache-2.0
"""The log in PostgreSQL: entries, tiles, head and positions are written in one transaction.

A single writer holds the head row, so sequence numbers are dense. An event that comes again is
known by its source and id and changes nothing: the log is its own inbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from memoryguard.audit.filing import Filed, microseconds, moment
from memoryguard.common.errors import Corrupt
from memoryguard.common.runtime.bus import Place
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.note import Signer
from memoryguard.tlog.tiles import Edge, Tile

COLUMNS = (
    "sequence", "source", "event_id", "topic", "type", "subject_id", "scan_id", "actor", "action",
    "outcome", "purpose", "occurred_at", "logged_at", "epoch", "counter", "digest", "form",
    "payload",
)  # fmt: skip


async def append(
    transaction: Connection,
    filed: Sequence[Filed],
    subject_keys: Mapping[str, bytes | None],
    now: datetime | None = None,
) -> list[Filed]:
    """Append what is new, in order.

    Parameters
    ----------
    transaction
        A connection inside the transaction.
    filed
        Events as they came.
    subject_keys
        Key of every person whom they concern; None for the erased.
    now
        When they are logged; where the clock has gone back, when the entry before was.

    Returns
    -------
    list
        Events whose source and id are known with *another* digest. They are security events; the
        first version stays.
    """
    head = await _hold_head(transaction)
    fresh, conflicts = await _divide(transaction, filed)
    if fresh:
        logged_us = microseconds(max(now or datetime.now(UTC), head["logged_at"]))
        entries = (
            each.entry(subject_keys.get(each.fields["subject_id"]), logged_us)
            for each in fresh.values()
        )
        grown = await _write(transaction, _edge(head), fresh, entries)
        await transaction.execute(
            "update log.head set size = $1, levels = $2, logged_at = $3",
            grown.size,
            list(grown.levels),
            moment(logged_us),
        )
    return conflicts


async def _hold_head(transaction: Connection) -> asyncpg.Record:
    head = await transaction.fetchrow("select size, levels, logged_at from log.head for update")
    if head is None:
        raise Corrupt("no_head", "the audit log has lost its head")
    return head


def _edge(head: asyncpg.Record) -> Edge:
    return Edge(head["size"], tuple(bytes(each) for each in head["levels"]))


async def _divide(
    transaction: Connection, filed: Sequence[Filed]
) -> tuple[dict[bytes, Filed], list[Filed]]:
    """Tell events that are new, by name, from those that contradict what is known."""
    names = [each.name for each in filed]
    rows = await transaction.fetch(
        "select name, digest from log.seen where name = any($1::bytea[])", names
    )
    known: dict[bytes, str] = {row["name"]: row["digest"] for row in rows}
    fresh, conflicts = dict[bytes, Filed](), list[Filed]()
    for name, each in zip(names, filed, strict=True):
        if name not in known:
            known[name] = each.digest
            fresh[name] = each
        elif known[name] != each.digest:
            conflicts.append(each)
    return fresh, conflicts


async def _write(
    transaction: Connection, edge: Edge, fresh: Mapping[bytes, Filed], entries: Iterable[Entry]
) -> Edge:
    hashes: list[bytes] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        """Seal and hash while the server takes in the rows before."""
        for sequence, entry in enumerate(entries, edge.size):
            hashes.append(entry.leaf_hash())
            yield row_of(sequence, entry)

    await transaction.execute("select log.make_room($1)", edge.size + len(fresh) - 1)
    await _copy(transaction, "entry", COLUMNS, rows())
    await _copy(
        transaction,
        "seen",
        ("name", "sequence", "digest"),
        ((name, n, each.digest) for n, (name, each) in enumerate(fresh.items(), edge.size)),
    )
    grown, tiles = edge.append(hashes)
    await _copy(transaction, "tile", Tile._fields, tiles)
    return grown


async def _copy(
    transaction: Connection, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    await transaction.copy_records_to_table(name, schema_name="log", columns=columns, records=rows)


def row_of(sequence: int, entry: Entry) -> tuple[Any, ...]:
    """Give an entry's row, in the order of ``COLUMNS``."""
    occurred_us = entry.occurred_us
    return (
        sequence, entry.source, entry.event_id, entry.topic, entry.type, entry.subject_id,
        entry.scan_id, entry.actor, entry.action, entry.outcome, entry.purpose,
        None if occurred_us is None else moment(occurred_us), moment(entry.logged_us),
        entry.epoch, entry.counter, entry.digest, entry.form, entry.payload,
    )  # fmt: skip


def entry_of(row: asyncpg.Record) -> Entry:
    """Give the entry of a row with all of ``COLUMNS``."""
    occurred_at = row["occurred_at"]
    return Entry(
        action=row["action"],
        actor=row["actor"],
        counter=row["counter"],
        digest=row["digest"],
        epoch=row["epoch"],
        event_id=row["event_id"],
        form=row["form"],
        logged_us=microseconds(row["logged_at"]),
        occurred_us=None if occurred_at is None else microseconds(occurred_at),
        outcome=row["outcome"],
        purpose=row["purpose"],
        scan_id=row["scan_id"],
        source=row["source"],
        subject_id=row["subject_id"],
        topic=row["topic"],
        type=row["type"],
        payload=row["payload"],
    )


async def positions(
    pool: Pool | Connection, member: str, places: Sequence[Place]
) -> Mapping[Place, int]:
    """Tell where a consumer group goes on: its positions as they were stored with the entries.

    What it has no position of is read from the earliest, whatever was committed elsewhere: this
    database may be an older one that was restored, and what comes again is known.
    """
    rows = await pool.fetch(
        "select topic, partition, next from log.position"
        " join unnest($2::text[], $3::int[]) as asked (topic, partition) using (topic, partition)"
        " where member = $1",
        member,
        [topic for topic, _ in places],
        [partition for _, partition in places],
    )
    known = {(row["topic"], row["partition"]): row["next"] for row in rows}
    return {place: known.get(place, 0) for place in places}


async def keep_positions(
    transaction: Connection, member: str, positions: Mapping[Place, int]
) -> None:
    """Store how far a consumer group has read each topic and partition, with the entries."""
    await transaction.execute(
        "insert into log.position (member, topic, partition, next)"
        " select $1, * from unnest($2::text[], $3::int[], $4::bigint[])"
        " on conflict (member, topic, partition) do update set next = excluded.next",
        member,
        [topic for topic, _ in positions],
        [partition for _, partition in positions],
        list(positions.values()),
    )


async def sign(
    transaction: Connection, signer: Signer, now: datetime | None = None
) -> tuple[int, str] | None:
    """Sign a checkpoint when the log has grown since the last; its size and note.

    The head is held: another replica that signs at the same moment then finds nothing to sign.
    """
    head = await _hold_head(transaction)
    last = await transaction.fetchval("select max(size) from log.checkpoint")
    if head["size"] in (0, last):
        return None
    edge = _edge(head)
    note = sign_checkpoint(Checkpoint(signer.name, edge.size, edge.frontier.root), signer)
    await transaction.execute(
        "insert into log.checkpoint (size, note, signed_at) values ($1, $2, $3)",
        edge.size,
        note,
        now or datetime.now(UTC),
    )
    return edge.size, note
