# SPDX-License-Identifier: Apache-2.0
"""Events on their way out: written with the state they speak of, published by one relay.

The relay numbers a producer's events 1, 2, 3 … without gaps as it first publishes them. The number
is stored before the event leaves, so a repeat after a crash carries the same number.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence

import asyncpg

from memoryguard.common.contracts.event import Event, Fact, derived_id, new_event
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.runtime.bus import Bus, Record
from memoryguard.common.runtime.database import AWAY, Connection, Pool, session_lock
from memoryguard.common.runtime.telemetry import current_traceparent
from memoryguard.common.runtime.waiting import pause, wait_until_set

logger = logging.getLogger(__name__)

BATCH_EVENTS = 500
POLL_S = 0.5
RETRY_S = 1.0

# One statement: mark the batch that has left, then number the next one; the numbers are stored
# before anything leaves. What was numbered but perhaps not sent before a crash comes first.
_NUMBER = """
with marked as (
    update outbox set sent_at = now() where position = any($1::bigint[])
), unsent as materialized (
    select position, counter from outbox
    where sent_at is null and position <> all($1::bigint[])
), due as (
    select * from unsent order by counter nulls last, position limit $2
), fresh as (
    select position, row_number() over (order by position) as nth from due where counter is null
), given as (
    update producer set counter = counter + (select count(*) from fresh)
    where exists (select from due)
    returning epoch, counter - (select count(*) from fresh) as before
), stored as (
    update outbox set counter = given.before + fresh.nth from fresh cross join given
    where outbox.position = fresh.position
)
select o.position, o.topic, o.key, o.body, given.epoch,
       coalesce(due.counter, given.before + fresh.nth) as counter
from due join outbox o using (position) left join fresh using (position) cross join given
order by counter
"""


def source_of(service: str) -> str:
    """CloudEvents source of a service."""
    return f"/memoryguard/{service}"


class Outbox:
    """A service's outgoing events.

    Parameters
    ----------
    service
        Name of the producing service.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.waiting = asyncio.Event()

    async def append(
        self,
        transaction: Connection,
        facts: Sequence[Fact],
        *,
        cause: Event | None = None,
        handler_version: int = 1,
    ) -> list[Event]:
        """Write the facts as events into the caller's transaction.

        Parameters
        ----------
        transaction
            A connection inside the transaction that holds the state the facts speak of.
        facts
            In the order in which they happened.
        cause
            The event being handled: ids are derived from it, so that a replay gives the same ones.
        handler_version
            Part of the derived ids.

        Returns
        -------
        list
            The events that are new.
        """
        return await self.write(transaction, self.events(facts, cause, handler_version))

    async def write(self, transaction: Connection, events: Sequence[Event]) -> list[Event]:
        """Write finished events in one statement; those that are new."""
        if not events:
            return []
        rows = await transaction.fetch(
            "insert into outbox (event_id, topic, key, body)"
            " select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])"
            " on conflict (event_id) do nothing returning event_id",
            [event.id for event in events],
            [TOPIC_OF[type(event.data)] for event in events],
            [event.partitionkey for event in events],
            [event.to_bytes() for event in events],
        )
        first = {event.id: event for event in reversed(events)}
        return [first[row["event_id"]] for row in rows]

    def events(
        self, facts: Sequence[Fact], cause: Event | None = None, handler_version: int = 1
    ) -> list[Event]:
        """Make events of facts; see ``append``."""
        return [
            self._event(fact, ordinal, cause, handler_version) for ordinal, fact in enumerate(facts)
        ]

    def notice(self, fact: Fact, about: bytes) -> Event:
        """Make an event named by the bytes that it is about: a replay says it no second time."""
        event_id = derived_id(self.service, fact.type, hashlib.sha256(about).hexdigest())
        return new_event(fact, source=source_of(self.service), event_id=event_id)

    def answer_id(
        self, source: str, cause_id: str, version: int, kind: str, ordinal: int = 0
    ) -> str:
        """Id of an answer to an event (its source and id): a replay gives the same one."""
        return derived_id(source, cause_id, self.service, version, kind, ordinal)

    def _event(self, fact: Fact, ordinal: int, cause: Event | None, version: int) -> Event:
        event_id = None
        if fact.natural_key is not None:
            event_id = derived_id(self.service, fact.type, getattr(fact, fact.natural_key))
        elif cause is not None:
            event_id = self.answer_id(cause.source, cause.id, version, fact.type, ordinal)
        return new_event(
            fact,
            source=source_of(self.service),
            event_id=event_id,
            cause=cause,
            traceparent=current_traceparent(),
        )

    def wake(self) -> None:
        """Tell the relay that a transaction with events has committed."""
        self.waiting.set()


class Relay:
    """Publishes a service's outbox in order. One per schema works; the others wait for its lock."""

    def __init__(self, pool: Pool, bus: Bus, outbox: Outbox) -> None:
        self._pool = pool
        self._bus = bus
        self._outbox = outbox
        self._sent: list[int] = []  # published, not marked yet

    async def run(self) -> None:
        """Publish, for ever; a database or bus that is away is waited for."""
        while True:
            try:
                async with (
                    self._pool.acquire() as connection,
                    session_lock(connection, "relay", self._outbox.service),
                ):
                    await self._publish_forever(connection)
            except AWAY:
                logger.warning("relay waits", extra={"service": self._outbox.service})
                await pause(RETRY_S)

    async def drain(self) -> None:
        """Publish what is left, unless another relay of this schema works."""
        async with (
            self._pool.acquire() as connection,
            session_lock(connection, "relay", self._outbox.service, wait=False) as held,
        ):
            while held and await self.publish_batch(connection):
                continue

    async def _publish_forever(self, connection: Connection) -> None:
        while True:
            self._outbox.waiting.clear()
            if await self.publish_batch(connection) < BATCH_EVENTS:
                await wait_until_set(self._outbox.waiting, POLL_S)

    async def publish_batch(self, connection: Connection) -> int:
        """Number and publish up to ``BATCH_EVENTS`` unsent events; how many there were.

        They are marked as sent together with the numbering of the next batch: call until it
        returns 0. The caller holds the relay's lock on this connection: two relays would number
        twice.
        """
        rows: list[asyncpg.Record] = await connection.fetch(_NUMBER, self._sent, BATCH_EVENTS)
        self._sent = []
        if rows:
            await self._bus.publish([_record(row) for row in rows])
            self._sent = [row["position"] for row in rows]
        return len(rows)


def _record(row: asyncpg.Record) -> Record:
    body = numbered(row["body"], row["epoch"], row["counter"])
    return Record(row["topic"], row["key"], body)


def numbered(body: bytes, epoch: str, counter: int) -> bytes:
    """Put a producer's number into an event's canonical JSON, where its sorted keys want it.

    After ``source`` only plain texts follow, in which a quote would be escaped, so the last
    ``,"source":`` is the envelope's. Nothing is parsed: every event passes here.
    """
    head, source, tail = body.rpartition(b',"source":')
    number = f',"producercounter":{counter},"producerepoch":"{epoch}"'
    return b"".join((head, number.encode(), source, tail))
