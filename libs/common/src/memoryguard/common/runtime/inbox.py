# SPDX-License-Identifier: Apache-2.0
"""The durable inbox: the work queue of a service.

The consumer only writes events here and commits; workers lease rows. A key that has an earlier
unfinished row is not eligible, so a person's events stay in order and a retry blocks only its own
person. A dead row releases its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic_core import from_json

from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Connection, Pool

LEASE_S = 60.0

# At most one of the rows has been leased before: it may be the one that ends its worker, and the
# others must not be counted down with it. "The first open row of its key" is asked row by row
# through an index: as an anti-join it is the same question, but planned on the statistics of an
# empty table it took 100 ms at 1,200 open rows.
_LEASE = """
with candidate as (
    select position, attempts from inbox i
    where (state = 'ready' and not_before <= now()
           or state = 'leased' and leased_until < now())
      and (type = any($3)) = $4
      and position = (
          select min(earlier.position) from inbox earlier
          where earlier.key = i.key and earlier.state in ('ready', 'leased'))
    order by position limit $1 for update skip locked)
update inbox
set state = 'leased', fence = fence + 1, attempts = inbox.attempts + 1,
    leased_until = now() + make_interval(secs => $2)
from candidate where inbox.position = candidate.position
  and (candidate.attempts = 0
       or candidate.position = (select min(position) from candidate where attempts > 0))
returning inbox.position, topic, source, event_id, type, key, body, inbox.attempts, fence
"""


@dataclass(frozen=True, slots=True)
class Envelope:
    """As much of a message as the inbox needs."""

    topic: str
    source: str
    event_id: str
    type: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A leased row. ``fence`` must still be the row's when the work is committed."""

    position: int
    topic: str
    source: str
    event_id: str
    type: str
    key: str
    body: bytes
    attempts: int
    fence: int


class LostLease(Unavailable):
    """Somebody else holds the row now; what we did is rolled back."""

    def __init__(self) -> None:
        super().__init__("lost_lease", "another worker took the row over")

    def __reduce__(self) -> tuple[type[LostLease], tuple[()]]:  # type: ignore[override]
        """Take no arguments."""
        return type(self), ()


def open_envelope(record: Received) -> Envelope | None:
    """Read the attributes that identify an event; None when the message is not an event."""
    try:
        return envelope_of(record, from_json(record.body))
    except ValueError:
        return None


def envelope_of(record: Received, document: Any) -> Envelope | None:
    """Do what `open_envelope` does with JSON that has been parsed already."""
    try:
        fields = [document[name] for name in ("source", "id", "type", "partitionkey")]
    except (TypeError, KeyError):
        return None
    # Printable also means: no NUL and no half character, which PostgreSQL could not store.
    if not all(isinstance(f, str) and 0 < len(f) <= 200 and f.isprintable() for f in fields):
        return None
    source, event_id, kind, key = fields
    return Envelope(record.topic, source, event_id, kind, key, record.body)


async def store(transaction: Connection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Write events that are new; the same event again changes nothing.

    Returns
    -------
    list
        Events whose (source, id) is known with *other* bytes: a security event each.
    """
    if not envelopes:
        return []
    status = await transaction.execute(
        "insert into inbox (topic, source, event_id, type, key, body, digest)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],"
        " $6::bytea[], $7::bytea[]) on conflict (source, event_id) do nothing",
        [e.topic for e in envelopes],
        [e.source for e in envelopes],
        [e.event_id for e in envelopes],
        [e.type for e in envelopes],
        [e.key for e in envelopes],
        [e.body for e in envelopes],
        _digests(envelopes),
    )
    if status == f"INSERT 0 {len(envelopes)}":  # all of them are new
        return []
    return await conflicting(transaction, envelopes)


async def conflicting(connection: Connection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Find events whose (source, id) is known with *other* bytes."""
    rows = await connection.fetch(
        "select n.i from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality"
        " as n (source, event_id, digest, i)"
        " join inbox using (source, event_id) where inbox.digest <> n.digest",
        [e.source for e in envelopes],
        [e.event_id for e in envelopes],
        _digests(envelopes),
    )
    return [envelopes[row["i"] - 1] for row in rows]


def _digests(envelopes: Sequence[Envelope]) -> list[bytes]:
    """Digest whole bodies: a producer's counter is set once, and repeated with its event."""
    return [hashlib.sha256(e.body).digest() for e in envelopes]


async def lease(
    pool: Pool, limit: int, types: Collection[str] = (), *, among: bool = False
) -> list[Row]:
    """Lease up to ``limit`` eligible rows, each of another key.

    Parameters
    ----------
    pool
        The service's pool.
    limit
        Most rows.
    types
        Types of events.
    among
        Whether rows of these types are wanted, or all others.
    """
    rows: list[asyncpg.Record] = await pool.fetch(_LEASE, limit, LEASE_S, list(types), among)
    leased = [
        Row(
            row["position"], row["topic"], row["source"], row["event_id"], row["type"],
            row["key"], bytes(row["body"]), row["attempts"], row["fence"],
        )
        for row in rows
    ]  # fmt: skip
    return sorted(leased, key=lambda row: row.position)


async def renew(pool: Pool, rows: Collection[Row]) -> None:
    """Keep the leases of rows that are still being worked on."""
    await pool.execute(
        "update inbox set leased_until = now() + make_interval(secs => $3)"
        " from unnest($1::bigint[], $2::bigint[]) as n (position, fence)"
        " where inbox.position = n.position and inbox.fence = n.fence and state = 'leased'",
        [row.position for row in rows],
        [row.fence for row in rows],
        LEASE_S,
    )


async def finish(transaction: Connection, *rows: Row) -> None:
    """Mark rows done inside the transaction of their effects: all of them or none."""
    status = await transaction.execute(
        "update inbox set state = 'done', body = null, error_code = null, finished_at = now()"
        " from unnest($1::bigint[], $2::bigint[]) as n (position, fence)"
        " where inbox.position = n.position and inbox.fence = n.fence and state = 'leased'",
        [row.position for row in rows],
        [row.fence for row in rows],
    )
    if status != f"UPDATE {len(rows)}":
        raise LostLease


async def bury(transaction: Connection, row: Row, code: str) -> None:
    """Give a row up; its body is kept, so that it can be revived."""
    await _end(transaction, row, "state = 'dead', error_code = $3, finished_at = now()", code)


async def back_off(pool: Pool, row: Row, seconds: float, code: str, *, counts: bool) -> None:
    """Put a row back for later; ``counts`` tells whether this attempt counts against it."""
    async with pool.acquire() as connection:
        await _end(
            connection,
            row,
            "state = 'ready', error_code = $3, not_before = now() + make_interval(secs => $4),"
            " attempts = attempts - $5",
            code,
            seconds,
            0 if counts else 1,
        )


async def _end(connection: Connection, row: Row, assignment: str, *values: object) -> None:
    status = await connection.execute(
        f"update inbox set {assignment}"  # noqa: S608  # the assignments above, no input
        " where position = $1 and fence = $2 and state = 'leased'",
        row.position,
        row.fence,
        *values,
    )
    if status != "UPDATE 1":
        raise LostLease


async def redrive(pool: Pool) -> int:
    """Make every dead row ready again; how many there were."""
    status = await pool.execute(
        "update inbox set state = 'ready', attempts = 0, not_before = now() where state = 'dead'"
    )
    return int(status.split()[-1])


async def count(pool: Pool) -> dict[str, int]:
    """Rows that are not done, per state."""
    rows = await pool.fetch(
        "select state, count(*) as n from inbox where state <> 'done' group by state"
    )
    return {"ready": 0, "leased": 0, "dead": 0} | {row["state"]: row["n"] for row in rows}
