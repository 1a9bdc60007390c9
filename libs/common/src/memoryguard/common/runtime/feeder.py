# SPDX-License-Identifier: Apache-2.0
"""The consumer loop: it only writes events into the inbox and commits, so the bus never waits."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from memoryguard.common.contracts.event import NOBODY, Event
from memoryguard.common.contracts.events import DeliveryConflicted, DeliveryFailed
from memoryguard.common.contracts.flow import heard_by
from memoryguard.common.runtime import inbox, replay
from memoryguard.common.runtime.bus import Bus, Received
from memoryguard.common.runtime.database import AWAY, Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.waiting import pause
from memoryguard.common.runtime.worker import RETRY_S, Worker

logger = logging.getLogger(__name__)


class Feeder:
    """Fills a service's inbox from the bus."""

    def __init__(
        self, service: Service, pool: Pool, bus: Bus, outbox: Outbox, worker: Worker
    ) -> None:
        self._service = service
        self._pool = pool
        self._bus = bus
        self._outbox = outbox
        self._worker = worker
        self._types = {fact.type for fact in service.handlers}
        self._generation = 0

    async def run(self) -> None:
        """Feed, for ever; a bus or database that is away is waited for."""
        heard = heard_by(self._service.name)
        topics = sorted({heard[fact] for fact in self._service.handlers})
        while topics:
            try:
                self._generation = await replay.current_generation(self._pool)
                await replay.feed_until_outdated(self._pool, self._generation, self._feed(topics))
            except AWAY:
                logger.warning("feeder waits", extra={"service": self._service.name})
                await pause(RETRY_S)

    async def _feed(self, topics: Sequence[str]) -> None:
        group = replay.group_of(self._service.name, self._generation)
        async with self._bus.consumer(group, topics) as consumer:
            async for batch in consumer.batches():
                await self.store(batch)

    async def store(self, batch: Sequence[Received]) -> None:
        """Write a batch into the inbox; what cannot be read becomes a dead letter at once."""
        opened = [(record, inbox.open_envelope(record)) for record in batch]
        unread = [record for record, envelope in opened if envelope is None]
        mine = [e for _, e in opened if e is not None and e.type in self._types]
        async with self._pool.acquire() as connection, connection.transaction():
            await replay.hold_generation(connection, self._generation)
            conflicting = await inbox.store(connection, mine)
            notices = [self._unreadable(record) for record in unread]
            notices += [self._conflict(envelope) for envelope in conflicting]
            await self._outbox.write(connection, notices)
        self._worker.heard(mine)
        if notices:
            self._outbox.wake()

    def _unreadable(self, record: Received) -> Event:
        fact = DeliveryFailed(
            subject_id=NOBODY,
            service=self._service.name,
            topic=record.topic,
            event_id=hashlib.sha256(record.body).hexdigest(),
            event_source="unknown",
            event_type="unknown",
            code="malformed_event",
            attempts=1,
        )
        return self._outbox.notice(fact, record.body)

    def _conflict(self, envelope: inbox.Envelope) -> Event:
        fact = DeliveryConflicted(
            subject_id=envelope.key,
            service=self._service.name,
            topic=envelope.topic,
            event_id=envelope.event_id,
            event_source=envelope.source,
        )
        return self._outbox.notice(fact, envelope.body)
