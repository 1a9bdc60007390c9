# SPDX-License-Identifier: Apache-2.0
"""The bus of the raw ceiling: rows by plain asyncpg, or messages by plain aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from memoryguard.common.runtime.settings import KafkaSettings

SUBSCRIBED = {
    "processor": ("memoryguard.scans.v1",),
    "atrophy": ("memoryguard.volumes.v1",),
    "ml": ("memoryguard.atrophy.v1",),
}
ALL = ("memoryguard.scans.v1", "memoryguard.volumes.v1", "memoryguard.atrophy.v1",
       "memoryguard.risk.v1")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One event of one scan."""

    topic: str
    source: str
    event_id: str
    type: str
    key: str
    scan_id: str
    body: bytes


class Wire(Protocol):
    """What the ceiling does to a bus."""

    async def publish(self, c: asyncpg.Connection, messages: Sequence[Message]) -> None:
        """Append durably."""
        ...

    async def consumed(self, c: asyncpg.Connection, group: str, messages: Sequence[Message]) -> int:
        """Read what was appended, all of one topic; where the group stands then."""
        ...

    async def commit(self, c: asyncpg.Connection, group: str, place: int) -> None:
        """Keep where the group stands."""
        ...


class TableWire:
    """The embedded bus's tables, spared what the product spares: topics are made once, and a
    cursor does not wait for the disk.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._topics: dict[str, str] = {}

    async def publish(self, c: asyncpg.Connection, messages: Sequence[Message]) -> None:
        """Append in one transaction."""
        new = {m.topic for m in messages} - self._known
        async with c.transaction():
            if new:
                await c.execute(
                    "insert into bus.topic select unnest($1::text[]) on conflict do nothing",
                    sorted(new),
                )
            await c.execute("select pg_advisory_xact_lock(1, 1)")
            await c.execute(
                "insert into bus.record (position, topic, key, body)"
                " select (select coalesce(max(position), 0) from bus.record) + n, topic, key, body"
                " from unnest($1::text[], $2::text[], $3::bytea[])"
                " with ordinality as new (topic, key, body, n)",
                [m.topic for m in messages], [m.key for m in messages], [m.body for m in messages],
            )  # fmt: skip
            await c.execute("notify ceiling_bus")
        self._known |= new

    async def consumed(self, c: asyncpg.Connection, group: str, messages: Sequence[Message]) -> int:
        """Read the newest rows of the topic."""
        self._topics[group] = messages[0].topic
        rows = await c.fetch(
            "select r.topic, r.key, r.body, r.position from bus.record r"
            " where topic = $1 order by position desc limit $2",
            messages[0].topic, len(messages),
        )  # fmt: skip
        return rows[0]["position"]

    async def commit(self, c: asyncpg.Connection, group: str, place: int) -> None:
        """Set the cursor."""
        await c.execute(
            "with unhurried as (select set_config('synchronous_commit', 'off', true))"
            " insert into bus.cursor select $1, $2, $3::bigint from unhurried"
            " on conflict (member, topic) do update"
            " set position = greatest(bus.cursor.position, excluded.position)",
            f"ceiling-{group}", self._topics[group], place,
        )  # fmt: skip


class KafkaWire:
    """One producer, and one consumer for each group; topics of its own, made before."""

    def __init__(
        self, prefix: str, producer: AIOKafkaProducer, consumers: dict[str, AIOKafkaConsumer]
    ) -> None:
        self._prefix = prefix
        self._producer = producer
        self._consumers = consumers

    async def publish(self, c: asyncpg.Connection, messages: Sequence[Message]) -> None:
        """Produce; every in-sync replica has them."""
        sent = [
            await self._producer.send(self._prefix + m.topic, m.body, key=m.key.encode())
            for m in messages
        ]
        await asyncio.gather(*sent)

    async def consumed(self, c: asyncpg.Connection, group: str, messages: Sequence[Message]) -> int:
        """Poll until all have come."""
        come = 0
        while come < len(messages):
            found = await self._consumers[group].getmany(timeout_ms=1000, max_records=500)
            come += sum(map(len, found.values()))
        return come

    async def commit(self, c: asyncpg.Connection, group: str, place: int) -> None:
        """Commit offsets."""
        await self._consumers[group].commit()


@asynccontextmanager
async def kafka_wire(settings: KafkaSettings) -> AsyncGenerator[KafkaWire]:
    """Connect producer and consumers, and wait until every group has its partitions."""
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.servers, enable_idempotence=True, acks="all"
        )
        await producer.start()
        stack.push_async_callback(producer.stop)
        consumers: dict[str, AIOKafkaConsumer] = {}
        for group in ("processor", "atrophy", "ml", "api", "audit-log"):
            consumer = consumers[group] = AIOKafkaConsumer(
                *(settings.prefix + topic for topic in SUBSCRIBED.get(group, ALL)),
                bootstrap_servers=settings.servers, group_id=f"{settings.prefix}{group}",
                enable_auto_commit=False, auto_offset_reset="earliest",
            )  # fmt: skip
            await consumer.start()
            stack.push_async_callback(consumer.stop)
        yield KafkaWire(settings.prefix, producer, consumers)
