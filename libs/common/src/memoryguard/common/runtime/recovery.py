# SPDX-License-Identifier: Apache-2.0
"""A database restored from a backup learns from the bus what its service has said since.

Without it the service would give numbers a second time, and say what it had already said with other
bytes. What it *heard* since is fed again by the new generation.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from memoryguard.common.contracts.event import encode
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.replay import next_generation, stopped

_SAID = """
create unlogged table recovering (
    event_id text primary key, topic text not null, key text not null, body bytea not null,
    epoch text not null, counter bigint not null, said_at timestamptz not null)
"""
# A service that ran after the restore and before the recovery has given numbers twice. They stay
# with what is on the bus; what has not left yet is numbered anew.
_UNNUMBER = """
update outbox set counter = null from recovering r
where r.epoch = $1 and r.counter = outbox.counter and r.event_id <> outbox.event_id
  and outbox.sent_at is null
"""
_KEEP = """
insert into outbox (event_id, topic, key, body, counter, created_at, sent_at)
select event_id, topic, key, body,
       case when epoch = $1 and nth = 1 and not exists (
           select 1 from outbox o where o.counter = s.counter and o.event_id <> s.event_id)
       then counter end,
       said_at, now()
from (select *, row_number() over (partition by epoch, counter order by said_at) as nth
      from recovering) s
order by said_at
on conflict (event_id) do update
set counter = excluded.counter, body = excluded.body, sent_at = excluded.sent_at
where outbox.sent_at is null
"""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found.

    Parameters
    ----------
    said
        Events of this service on the bus.
    restored
        Those the restored database did not know, or did not know to have left.
    last_number
        The last one given; the next event gets the next.
    missing
        Numbers up to it that neither bus nor database holds: events that are lost.
    twice
        Numbers on the bus that two events bear.
    unsent
        Events that wait in the database; they leave when the service starts.
    """

    said: int
    restored: int
    last_number: int
    missing: int
    twice: int
    unsent: int


async def recover(
    pool: Pool, service: str, history: AsyncIterable[Sequence[Received]]
) -> Recovered:
    """Bring a restored outbox up to date with the bus, and have everything fed again.

    Parameters
    ----------
    pool
        Of the service, which is stopped.
    service
        Its name.
    history
        Everything on the bus.

    Raises
    ------
    Rejected
        ``service_running``; ``bus_is_empty``: it holds nothing of what the service has said.
    """
    async with stopped(pool, service) as connection, connection.transaction():
        await connection.execute(_SAID)
        async for batch in history:
            await _collect(connection, _said_by(service, batch))
        await _check_bus(connection)
        epoch, last = await _numbering(connection)
        await connection.execute(_UNNUMBER, epoch)
        restored = await connection.execute(_KEEP, epoch)
        await connection.execute("update producer set epoch = $1, counter = $2", epoch, last)
        found = await _found(connection, int(restored.split()[-1]), epoch, last)
        await connection.execute("drop table recovering")
        await next_generation(connection)
    return found


@dataclass(frozen=True, slots=True)
class _Said:
    event_id: str
    topic: str
    key: str
    body: bytes
    epoch: str
    counter: int
    at: datetime


def _said_by(service: str, batch: Sequence[Received]) -> list[_Said]:
    """Read the numbered events of a service, as its outbox held them: without their number."""
    said: list[_Said] = []
    for record in batch:
        try:
            document = json.loads(record.body)
            if document["source"] != source_of(service):
                continue
            epoch, counter = document.pop("producerepoch"), document.pop("producercounter")
            at = datetime.fromisoformat(document["time"])
            body = encode(document)
            said.append(_Said(document["id"], record.topic, record.key, body, epoch, counter, at))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue  # not ours: every numbered event of ours can be read
    return said


async def _collect(transaction: Connection, said: Sequence[_Said]) -> None:
    await transaction.executemany(
        "insert into recovering values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        [(s.event_id, s.topic, s.key, s.body, s.epoch, s.counter, s.at) for s in said],
    )


async def _check_bus(transaction: Connection) -> None:
    """Refuse to learn from another bus than the service's own: numbers would be given twice."""
    if await transaction.fetchval(
        "select exists (select from outbox where sent_at is not null)"
        " and not exists (select from recovering)"
    ):
        raise Rejected(
            "bus_is_empty",
            "the bus holds nothing of what this service has said",
            "is MEMORYGUARD_KAFKA_SERVERS set? When the bus itself is lost: memoryguard republish",
        )


async def _numbering(transaction: Connection) -> tuple[str, int]:
    """Epoch and last number to go on with. A database that said nothing takes the bus's epoch."""
    own = await transaction.fetchrow("select epoch, counter from producer")
    assert own  # noqa: S101  # the migration wrote the row
    epochs = await transaction.fetch(
        "select epoch, max(counter) as counter from recovering group by epoch"
        " order by max(said_at) desc"
    )
    last = {row["epoch"]: int(row["counter"]) for row in epochs}
    if own["counter"] == 0 and epochs:
        epoch = str(epochs[0]["epoch"])
        return epoch, last[epoch]
    return own["epoch"], max(own["counter"], last.get(own["epoch"], 0))


async def _found(transaction: Connection, restored: int, epoch: str, last: int) -> Recovered:
    row = await transaction.fetchrow(
        "select (select count(*) from recovering) as said,"
        " (select count(*) - count(distinct (epoch, counter)) from recovering) as twice,"
        " (select count(*) from outbox where sent_at is null) as unsent,"
        " $2 - (select count(*) from (select counter from recovering where epoch = $1"
        "   union select counter from outbox where counter is not null) known) as missing",
        epoch,
        last,
    )
    assert row  # noqa: S101  # a select of aggregates has one row
    return Recovered(row["said"], restored, last, row["missing"], row["twice"], row["unsent"])
