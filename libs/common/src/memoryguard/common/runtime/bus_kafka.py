# SPDX-License-Identifier: Apache-2.0
"""The bus of real deployments: Apache Kafka.

Records of one partition leave batch by batch, the next only when the one before is confirmed: so a
batch that fails can never be overtaken by a later one of the same key. The producer is idempotent
(a retry inside the client is not a second record); a repeat after a crash may be, and the inboxes
drop it. No transactions: correctness depends on no optional feature of a broker.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.partitioner import DefaultPartitioner

from memoryguard.common.errors import Misconfigured, Unavailable
from memoryguard.common.runtime.bus import Received, Record, Resume
from memoryguard.common.runtime.kafka_client import (
    ANSWER_S,
    connection_options,
    ended,
    leave,
    received,
    start,
    translated_errors,
)
from memoryguard.common.runtime.kafka_resume import Resumption
from memoryguard.common.runtime.settings import KafkaSettings

logger = logging.getLogger(__name__)

BATCH_RECORDS = 500
BATCH_BYTES = 512 * 1024  # a larger event is a batch of its own; brokers take 1 MiB by default
POLL_MS = 1_000
NEW_TOPIC_MS = 5_000  # how soon a pattern sees a topic that was just made
PROBE_S = 5.0
SILENCE_S = 15.0  # then it is asked whether there was really nothing to hear


class KafkaBus:
    """A bus on a Kafka cluster. Use as a context manager; nothing is connected before it is used.

    Parameters
    ----------
    settings
        Where the brokers are, and who we are.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._prefix = settings.prefix
        self._settings = settings
        self._options = connection_options(settings)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> KafkaBus:
        """Open nothing yet: a broker that is away is waited for where it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the producer."""
        await self._drop(self._producer)

    async def publish(self, records: Sequence[Record]) -> None:
        """Append the records; on return every in-sync replica has them."""
        if not records:
            return
        producer = await self._started()
        try:
            with translated_errors():
                await self._send(producer, records)
        except (Unavailable, Misconfigured):
            # A failed batch may have left the client's numbering behind: begin afresh.
            await self._drop(producer)
            raise

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
        partitions = {
            topic: sorted(await producer.partitions_for(self._prefix + topic))
            for topic in {record.topic for record in records}
        }
        queues: defaultdict[tuple[str, int], deque[Record]] = defaultdict(deque)
        for record in records:
            at = _PARTITION_OF(record.key.encode(), partitions[record.topic], [])
            queues[self._prefix + record.topic, at].append(record)
        while queues:
            sent = [
                await producer.send_batch(_next_batch(producer, queue), topic, partition=partition)
                for (topic, partition), queue in queues.items()
            ]
            for outcome in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
            for place in [place for place, queue in queues.items() if not queue]:
                del queues[place]

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._options,
                    enable_idempotence=True,
                    acks="all",
                    max_batch_size=BATCH_BYTES,
                )
                await start(producer, self._settings)
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            await ended(producer.stop(), within_s=None)

    @asynccontextmanager
    async def consumer(
        self,
        group: str,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        resume: Resume | None = None,
    ) -> AsyncGenerator[KafkaConsumer]:
        """Join a group; leave it with the context."""
        session_ms = round(self._settings.session_timeout_s * 1000)
        client = AIOKafkaConsumer(
            **self._options,
            group_id=self._prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=BATCH_RECORDS,
            metadata_max_age_ms=NEW_TOPIC_MS,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(session_ms // 4, 1),
        )
        resumption = Resumption(client, self._prefix, resume) if resume else None
        if pattern is None:
            client.subscribe([self._prefix + topic for topic in topics], listener=resumption)
        else:
            ours = "^" + re.escape(self._prefix) + pattern.removeprefix("^")
            client.subscribe(pattern=ours, listener=resumption)
        await start(client, self._settings)
        try:
            yield KafkaConsumer(client, self._prefix, resumption)
        finally:
            await leave(client)


class KafkaConsumer:
    """A member of a consumer group."""

    def __init__(
        self, client: AIOKafkaConsumer, prefix: str, resumption: Resumption | None = None
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._resumption = resumption
        self._heard = time.monotonic()

    async def batches(self) -> AsyncIterator[Sequence[Received]]:
        """Yield batches, for ever. Asking for the next batch commits the one before."""
        while True:
            if self._resumption and (said := await self._resumption.settle()):
                await self._commit(said)  # for whoever looks at the group's lag
            with translated_errors():
                found = await self._client.getmany(timeout_ms=POLL_MS)
            batch = [
                received(message, self._prefix)
                for messages in found.values()
                for message in messages
            ]
            if not batch:
                await self._check_fetching()
            else:
                self._heard = time.monotonic()
                yield batch
                await self._commit({at: messages[-1].offset + 1 for at, messages in found.items()})

    async def _check_fetching(self) -> None:
        """Unavailable when the client has given up fetching, which aiokafka tells nobody.

        Seen after a restart of a broker: its fetching task had ended with an error that was only
        logged, and the member stayed in the group and heard nothing more. Joining again mends it.
        Silence while there is something to hear was not seen, and would be the same fault.
        """
        if self._resumption and self._resumption.holds:
            return  # it is we who keep still
        fetcher: Any = self._client._fetcher  # pyright: ignore[reportPrivateUsage]
        if fetcher._fetch_task.done() or (
            time.monotonic() - self._heard > SILENCE_S and await self._is_behind()
        ):
            raise Unavailable("bus_unavailable", "the Kafka client has stopped fetching")

    async def _is_behind(self) -> bool:
        """Whether there is something to hear; a client that cannot even tell is behind, too."""
        self._heard = time.monotonic()
        places = self._client.assignment()
        try:
            async with asyncio.timeout(PROBE_S):
                ends = await self._client.end_offsets(places)
                return any([ends[at] > await self._client.position(at) for at in places])
        except (KafkaError, TimeoutError):
            return True

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit; when the partitions are somebody else's by now, they get the records again."""
        try:
            with translated_errors():
                async with asyncio.timeout(ANSWER_S):  # by itself it would ask for ever
                    await self._client.commit(offsets)
        except Unavailable as error:
            if not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                raise
            logger.info("partitions have moved on; their records come again elsewhere")


_PARTITION_OF = DefaultPartitioner()


def _next_batch(producer: AIOKafkaProducer, queue: deque[Record]) -> Any:
    """Take as many records off the queue as go into one batch: at least one."""
    batch: Any = producer.create_batch()
    while queue and batch.append(key=queue[0].key.encode(), value=queue[0].body, timestamp=None):
        queue.popleft()
    batch.close()
    return batch
