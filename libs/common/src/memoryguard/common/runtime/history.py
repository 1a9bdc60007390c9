# SPDX-License-Identifier: Apache-2.0
"""Everything that a bus holds at this moment, once, outside any consumer group."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

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

TOPICS = tuple(stream.topic for stream in STREAMS)


async def history(pool: Pool, kafka: KafkaSettings) -> AsyncIterator[Sequence[Received]]:
    """Read every topic from its earliest event to what is its end now.

    Parameters
    ----------
    pool
        Of any service; the embedded bus lies in its database.
    kafka
        Without servers, the embedded bus is read.

    Raises
    ------
    Unavailable
        ``bus_unavailable``, ``no_such_topic``.
    Misconfigured
        ``bus_refused``.
    """
    async for batch in _of_kafka(kafka) if kafka.servers else _of_postgres(pool):
        yield batch


async def _of_postgres(pool: Pool) -> AsyncIterator[Sequence[Received]]:
    end = await pool.fetchval("select coalesce(max(position), 0) from bus.record")
    at = 0
    while True:
        rows = await pool.fetch(
            "select topic, key, body, position from bus.record"
            " where position > $1 and position <= $2 order by position limit $3",
            at,
            end,
            BATCH_RECORDS,
        )
        if not rows:
            return
        yield [Received(r["topic"], r["key"], bytes(r["body"]), r["position"]) for r in rows]
        at = rows[-1]["position"]


async def _of_kafka(settings: KafkaSettings) -> AsyncIterator[Sequence[Received]]:
    from aiokafka import AIOKafkaConsumer

    from memoryguard.common.runtime.kafka_client import (
        connection_options,
        ended,
        received,
        start,
        translated_errors,
    )

    client = AIOKafkaConsumer(
        *(settings.prefix + topic for topic in TOPICS),
        **connection_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=BATCH_RECORDS,
    )
    await start(client, settings)
    try:
        with translated_errors():
            ends = await _unread(client)
        heard = time.monotonic()
        while ends:
            with translated_errors():
                found = await client.getmany(timeout_ms=POLL_MS)
            for place, messages in found.items():
                heard = time.monotonic()
                yield [received(message, settings.prefix) for message in messages]
                if messages[-1].offset + 1 >= ends.get(place, 0):
                    ends.pop(place, None)
            if time.monotonic() - heard > SILENCE_S:
                raise Unavailable("bus_unavailable", "Kafka has fallen silent", "try again")
    finally:
        await ended(client.stop())


async def _unread(client: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """End of each partition that holds anything."""
    places = client.assignment()
    begins = await client.beginning_offsets(places)
    ends = await client.end_offsets(places)
    return {place: end for place, end in ends.items() if end > begins[place]}
