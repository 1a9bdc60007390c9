# SPDX-License-Identifier: Apache-2.0
"""The embedded bus: one append-only PostgreSQL table, one cursor per group and topic.

Durable and tiny, so that one command on a laptop needs neither a JVM nor Docker and still loses
nothing when it is killed. Partitions, members and rebalances are Kafka's business.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime.bus import Received, Record, Resume
from memoryguard.common.runtime.database import Connection, Pool, listening, lock
from memoryguard.common.runtime.waiting import wait_until_set

CHANNEL = "memoryguard_bus"
BATCH_RECORDS = 500
POLL_S = 1.0  # a lost notification costs at most this

# A cursor that a crash of the server takes back costs a repetition, so nobody waits for its disk.
_COMMIT = """
with unhurried as (select set_config('synchronous_commit', 'off', true))
insert into bus.cursor
select $1, n.topic, n.position
from unnest($2::text[], $3::bigint[]) as n (topic, position) cross join unhurried
on conflict (member, topic) do update
set position = greatest(bus.cursor.position, excluded.position)
"""

# Where a group goes on, whatever it had committed. A position beyond the end is one of another bus.
_PLACE = """
insert into bus.cursor
select $1, name, case when next <= last + 1 then next - 1 else 0 end
from unnest($2::text[], $3::bigint[]) as n (name, next) join bus.topic using (name)
cross join lateral (
    select coalesce(max(position), 0) as last from bus.record where topic = name) as ends
on conflict (member, topic) do update set position = excluded.position
"""


class PostgresBus:
    """A bus in the schema ``bus`` of the pool's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: set[str] = set()

    async def publish(self, records: Sequence[Record]) -> None:
        """Append the records in one transaction."""
        if not records:
            return
        topics = sorted({record.topic for record in records})
        new = [topic for topic in topics if topic not in self._known]
        async with self._pool.acquire() as connection, connection.transaction():
            if new:
                await self._ensure_topics(connection, new)
            await lock(connection, "bus")
            await connection.execute(
                "insert into bus.record (position, topic, key, body)"
                " select (select coalesce(max(position), 0) from bus.record) + n, topic, key, body"
                " from unnest($1::text[], $2::text[], $3::bytea[])"
                " with ordinality as new (topic, key, body, n)",
                [record.topic for record in records],
                [record.key for record in records],
                [record.body for record in records],
            )
            await connection.execute("select pg_notify($1, $2)", CHANNEL, " ".join(topics))
        self._known.update(new)

    async def _ensure_topics(self, connection: Connection, topics: Sequence[str]) -> None:
        await connection.execute(
            "insert into bus.topic select unnest($1::text[]) on conflict do nothing", topics
        )

    @asynccontextmanager
    async def consumer(
        self,
        group: str,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        resume: Resume | None = None,
    ) -> AsyncGenerator[PostgresConsumer]:
        """Join a group; the subscription ends with the context."""
        woken = asyncio.Event()

        def wake(_: object, __: int, ___: str, published: object) -> None:
            if pattern or not set(topics).isdisjoint(str(published).split()):
                woken.set()

        async with listening(self._pool, CHANNEL, wake) as (_, lost):
            yield PostgresConsumer(self._pool, group, topics, pattern, resume, woken, lost)


class PostgresConsumer:
    """A group's reader."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        topics: Sequence[str],
        pattern: str | None,
        resume: Resume | None,
        woken: asyncio.Event,
        lost: asyncio.Event,
    ) -> None:
        self._pool = pool
        self._group = group
        self._topics = topics
        self._pattern = re.compile(pattern) if pattern else None
        self._resume = resume
        self._placed: set[str] = set()
        self._woken = woken
        self._lost = lost

    async def batches(self) -> AsyncIterator[Sequence[Received]]:
        """Yield batches until the connection is lost. Asking for the next commits the one before.

        Raises
        ------
        Unavailable
            ``bus_unavailable``: notifications come no more; join again.
        """
        while not self._lost.is_set():
            self._woken.clear()
            batch = await self._fetch()
            if batch:
                yield batch
                await self._commit(batch)
            if len(batch) < BATCH_RECORDS:  # what came since has set the event
                await wait_until_set(self._woken, POLL_S)
        raise Unavailable("bus_unavailable", "the connection to the embedded bus was lost")

    async def _fetch(self) -> list[Received]:
        subscribed = await self._subscribed()
        await self._place([topic for topic in subscribed if topic not in self._placed])
        rows: list[asyncpg.Record] = await self._pool.fetch(
            "select r.topic, r.key, r.body, r.position from unnest($2::text[]) as t (name)"
            " left join bus.cursor c on c.member = $1 and c.topic = t.name"
            " cross join lateral (select * from bus.record where topic = t.name"
            "   and position > coalesce(c.position, 0) order by position limit $3) r"
            " order by r.position limit $3",
            self._group,
            subscribed,
            BATCH_RECORDS,
        )
        return [Received(*_fields(row)) for row in rows]

    async def _subscribed(self) -> list[str]:
        if self._pattern is None:
            return list(self._topics)
        names = await self._pool.fetch("select name from bus.topic")
        return [row["name"] for row in names if self._pattern.match(row["name"])]

    async def _place(self, topics: Sequence[str]) -> None:
        """Set the cursors of new topics to where the reader says that it was."""
        if self._resume and topics:
            known = await self._resume([(topic, 0) for topic in topics])
            names = [topic for topic in topics if (topic, 0) in known]
            positions = [known[topic, 0] for topic in names]
            await self._pool.execute(_PLACE, self._group, names, positions)
            self._placed.update(topics)

    async def _commit(self, batch: Sequence[Received]) -> None:
        last = {record.topic: record.position for record in batch}
        await self._pool.execute(
            _COMMIT,
            self._group,
            list(last),
            list(last.values()),
        )


def _fields(row: asyncpg.Record) -> tuple[Any, ...]:
    return (row["topic"], row["key"], bytes(row["body"]), row["position"])
