# SPDX-License-Identifier: Apache-2.0
"""A look at a run's topics and groups in Kafka, past the platform's own code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from memoryguard.common.contracts.flow import STREAMS
from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.kafka_client import connection_options
from memoryguard.common.runtime.settings import KafkaSettings


@dataclass(frozen=True)
class KafkaEye:
    """Sees every topic of ``flow.py`` under one prefix."""

    prefix: str
    admin: AIOKafkaAdminClient
    client: AIOKafkaConsumer

    async def all_heard(self, group: str, topics: Collection[str]) -> bool:
        """Whether a group has committed all there is on topics of one partition."""
        places = [TopicPartition(self.prefix + topic, 0) for topic in topics]
        ends = await self.client.end_offsets(places)
        offsets = await self.admin.list_consumer_group_offsets(self.prefix + group)
        return all(
            end == 0 or (place in offsets and offsets[place].offset >= end)
            for place, end in ends.items()
        )

    async def records(self) -> list[Record]:
        """Everything on every topic, topic by topic, in order per partition."""
        places = self.client.assignment()
        ends = await self.client.end_offsets(places)
        await self.client.seek_to_beginning(*places)
        found: dict[TopicPartition, list[Record]] = {place: [] for place in places}
        while any([await self.client.position(place) < ends[place] for place in places]):
            for place, messages in (await self.client.getmany(timeout_ms=100)).items():
                topic = place.topic.removeprefix(self.prefix)
                found[place] += [
                    Record(topic, (m.key or b"").decode(), m.value or b"") for m in messages
                ]
        return [record for place in sorted(found) for record in found[place]]


@asynccontextmanager
async def kafka_eye(settings: KafkaSettings) -> AsyncGenerator[KafkaEye]:
    """Open an eye; the topics are there, with one partition each."""
    async with AsyncExitStack() as stack:
        admin = AIOKafkaAdminClient(**connection_options(settings))
        stack.push_async_callback(admin.close)
        client = AIOKafkaConsumer(**connection_options(settings), enable_auto_commit=False)
        stack.push_async_callback(client.stop)
        await admin.start()
        await client.start()
        client.assign([TopicPartition(settings.prefix + s.topic, 0) for s in STREAMS])
        yield KafkaEye(settings.prefix, admin, client)
