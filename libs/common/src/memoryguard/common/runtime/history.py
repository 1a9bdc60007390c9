# SPDX-License-Identifier: Apache-2.0
"""Everything that a bus holds at this moment, outside any consumer group; then what came since."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from memoryguard.common.contracts.flow import STREAMS
from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.settings import KafkaSettings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

BATCH_RECORDS = 500
SILENCE_S = 30.0  # a broker that is silent for so long is away
POLL_MS = 500
# A question for the ends waits on the broker behind a fetch that waits for more than there is.
FETCH_WAIT_MS = 20

TOPICS = tuple(stream.topic for stream in STREAMS)


class History(Protocol):
    """A reader that remembers how far it has come: of the table, or of Kafka."""

    async def left(self) -> int:
        """Count what lies ahead now."""
        ...

    def to_now(self) -> AsyncIterator[Sequence[Received]]:
        """Read on to what is the end when it is asked."""
        ...


async def history(pool: Pool, kafka: KafkaSettings) -> AsyncIterator[Sequence[Received]]:
    """Read every topic from its earliest event to what is its end now; see `opened`."""
    async with opened(pool, kafka) as reader:
        async for batch in reader.to_now():
            yield batch


@asynccontextmanager
async def opened(
    pool: Pool,
    kafka: KafkaSettings,
    topics: Sequence[str] = TOPICS,
    batch_records: int = BATCH_RECORDS,
) -> AsyncGenerator[History]:
    """Open a reader at the earliest event.

    Parameters
    ----------
    pool
        Of any service; the embedded bus lies in its database.
    kafka
        Without servers, the embedded bus is read.
    topics
        Which ones; all of them by default.
    batch_records
        Most records in a batch.

    Raises
    ------
    Unavailable
        ``bus_unavailable``, ``no_such_topic``.
    Misconfigured
        ``bus_refused``.
    """
    if not kafka.servers:
        yield TableHistory(pool, topics, batch_records)
        return
    from aiokafka import AIOKafkaConsumer

    from memoryguard.common.runtime.kafka_client import connection_options, ended, start

    client = AIOKafkaConsumer(
        *(kafka.prefix + topic for topic in topics),
        **connection_options(kafka),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=batch_records,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await start(client, kafka)
    try:
        yield KafkaHistory(client, kafka.prefix)
    finally:
        await ended(client.stop())


class TableHistory:
    """Reads the embedded bus."""

    def __init__(self, pool: Pool, topics: Sequence[str], batch_records: int) -> None:
        self._pool = pool
        self._topics = topics
        self._batch_records = batch_records
        self._at = 0

    async def left(self) -> int:
        """Count what lies ahead now."""
        return await self._pool.fetchval(  # pyright: ignore[reportReturnType]
            "select count(*) from bus.record where position > $1 and topic = any($2)",
            self._at,
            self._topics,
        )

    async def to_now(self) -> AsyncIterator[Sequence[Received]]:
        """Read on to what is the end when it is asked."""
        end = await self._pool.fetchval("select coalesce(max(position), 0) from bus.record")
        while rows := await self._pool.fetch(
            "select topic, key, body, position from bus.record"
            " where position > $1 and position <= $2 and topic = any($3)"
            " order by position limit $4",
            self._at,
            end,
            self._topics,
            self._batch_records,
        ):
            yield [Received(r["topic"], r["key"], bytes(r["body"]), r["position"]) for r in rows]
            self._at = rows[-1]["position"]


class KafkaHistory:
    """Reads Kafka's topics, all their partitions side by side."""

    def __init__(self, client: AIOKafkaConsumer, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def left(self) -> int:
        """Count what lies ahead now."""
        from memoryguard.common.runtime.kafka_client import translated_errors

        with translated_errors():
            ahead = await self._ahead()
            return sum([end - await self._client.position(at) for at, end in ahead.items()])

    async def to_now(self) -> AsyncIterator[Sequence[Received]]:
        """Read on to what is the end when it is asked."""
        from memoryguard.common.runtime.kafka_client import received, translated_errors

        with translated_errors():
            ends = await self._ahead()
        heard = time.monotonic()
        while ends:
            with translated_errors():
                found = await self._client.getmany(timeout_ms=POLL_MS)
            for place, messages in found.items():
                heard = time.monotonic()
                yield [received(message, self._prefix) for message in messages]
                if messages[-1].offset + 1 >= ends.get(place, 0):
                    ends.pop(place, None)
            if time.monotonic() - heard > SILENCE_S:
                raise Unavailable("bus_unavailable", "Kafka has fallen silent", "try again")

    async def _ahead(self) -> dict[TopicPartition, int]:
        """End of each partition that has something to read."""
        ends = await self._client.end_offsets(self._client.assignment())
        return {at: end for at, end in ends.items() if end > await self._client.position(at)}
