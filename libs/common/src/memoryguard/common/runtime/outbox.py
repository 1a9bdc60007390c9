# SPDX-License-Identifier: Apache-2.0
"""Events on their way out: written with the state they speak of, published by one relay.

The relay numbers a producer's events 1, 2, 3 … without gaps as it first publishes them. The number
is stored before the event leaves, so a repeat after a crash carries the same number.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

import asyncpg

from memoryguard.common.contracts.event import Event, Fact, derived_id, encode, new_event
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.runtime.bus import Bus, Record
from memoryguard.common.runtime.database import (
    ADVISORY_CLASS,
    AWAY,
    Connection,
    Pool,
    lock_key,
)
from memoryguard.common.runtime.telemetry import current_traceparent
from memoryguard.common.runtime.waiting import wait_until_set

logger = logging.getLogger(__name__)

BATCH_EVENTS = 500
POLL_S = 0.5
RETRY_S = 1.0


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
        events = [
            self._event(fact, ordinal, cause, handler_version) for ordinal, fact in enumerate(facts)
        ]
        return [event for event in events if await self.append_event(transaction, event)]

    async def append_event(self, transaction: Connection, event: Event) -> bool:
        """Write one finished event; False when its id is known and nothing changed."""
        status = await transaction.execute(
            "insert into outbox (event_id, topic, key, body) values ($1, $2, $3, $4)"
            " on conflict (event_id) do nothing",
            event.id,
            TOPIC_OF[type(event.data)],
            event.partitionkey,
            event.to_bytes(),
        )
        return status == "INSERT 0 1"

    def _event(self, fact: Fact, ordinal: int, cause: Event | None, version: int) -> Event:
        event_id = None
        if fact.natural_key is not None:
            event_id = derived_id(self.service, fact.type, getattr(fact, fact.natural_key))
        elif cause is not None:
            event_id = derived_id(cause.source, cause.id, self.service, version, fact.type, ordinal)
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

    async def run(self) -> None:
        """Publish, for ever; a database or bus that is away is waited for."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._hold_lock(connection)
                    await self._publish_forever(connection)
            except AWAY:
                logger.warning("relay waits", extra={"service": self._outbox.service})
                await asyncio.sleep(RETRY_S)

    async def drain(self) -> None:
        """Publish what is left, unless another relay of this schema works."""
        async with self._pool.acquire() as connection:
            key = lock_key("relay", self._outbox.service)
            if await connection.fetchval(
                "select pg_try_advisory_lock($1, $2)", ADVISORY_CLASS, key
            ):
                while await self.publish_batch(connection):
                    continue

    async def _hold_lock(self, connection: Connection) -> None:
        key = lock_key("relay", self._outbox.service)
        await connection.execute("select pg_advisory_lock($1, $2)", ADVISORY_CLASS, key)

    async def _publish_forever(self, connection: Connection) -> None:
        while True:
            self._outbox.waiting.clear()
            if await self.publish_batch(connection) < BATCH_EVENTS:
                await wait_until_set(self._outbox.waiting, POLL_S)

    async def publish_batch(self, connection: Connection) -> int:
        """Number, publish and mark up to ``BATCH_EVENTS`` unsent events; how many there were.

        The caller holds the relay's lock on this connection: two relays would number twice.
        """
        rows = await self._numbered(connection)
        if rows:
            await self._bus.publish([_record(row) for row in rows])
            await connection.execute(
                "update outbox set sent_at = now() where position = any($1::bigint[])",
                [row["position"] for row in rows],
            )
        return len(rows)

    async def _numbered(self, connection: Connection) -> list[asyncpg.Record]:
        """Unsent rows, in order, each with its counter, stored before anything leaves."""
        async with connection.transaction():
            unnumbered = await connection.fetch(
                "select position from outbox where sent_at is null and counter is null"
                " order by position limit $1",
                BATCH_EVENTS,
            )
            if unnumbered:
                last: int = await connection.fetchval(  # pyright: ignore[reportAssignmentType]
                    "update producer set counter = counter + $1 returning counter", len(unnumbered)
                )
                first = last - len(unnumbered) + 1
                await connection.execute(
                    "update outbox set counter = n.counter"
                    " from unnest($1::bigint[], $2::bigint[]) as n (position, counter)"
                    " where outbox.position = n.position",
                    [row["position"] for row in unnumbered],
                    list(range(first, last + 1)),
                )
            return await connection.fetch(
                "select o.position, o.topic, o.key, o.body, o.counter, p.epoch"
                " from outbox o cross join producer p"
                " where o.sent_at is null and o.counter is not null order by o.counter limit $1",
                BATCH_EVENTS,
            )


def _record(row: asyncpg.Record) -> Record:
    document = json.loads(row["body"])
    document["producerepoch"] = row["epoch"]
    document["producercounter"] = row["counter"]
    return Record(row["topic"], row["key"], encode(document))
