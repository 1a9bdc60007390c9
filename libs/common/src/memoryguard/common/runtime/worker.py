# SPDX-License-Identifier: Apache-2.0
"""Workers lease inbox rows and commit their effects: exactly once in effect.

One row: *transform*, then one transaction { *record*, outbox rows, row done }.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time

from memoryguard.common.contracts.event import Event, Fact, decode
from memoryguard.common.contracts.events import DeliveryFailed, ScanErased
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Corrupt, MemoryGuardError, Rejected, Unavailable
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.database import AWAY, Connection, Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.telemetry import HANDLE_SECONDS, HANDLED, span
from memoryguard.common.runtime.waiting import wait_until_set

logger = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 1.0
RENEW_S = inbox.LEASE_S / 3
MAX_BUG_ATTEMPTS = 3
MAX_LEASES = 6  # a row that keeps killing its worker is given up
MAX_BACK_OFF_S = 300.0
BUGS_IN_A_ROW = 20  # then the worker stops instead of draining the topic


class Worker:
    """Works a service's inbox off."""

    def __init__(self, service: Service, pool: Pool, outbox: Outbox) -> None:
        self._service = service
        self._pool = pool
        self._outbox = outbox
        self._by_type = {fact.type: handler for fact, handler in service.handlers.items()}
        self._working: dict[int, inbox.Row] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bugs = 0
        self.arrived = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Work, until told to stop; then finish what is leased."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_forever())
            while not self._stopping:
                self.arrived.clear()
                if await self._start_leased(group) == 0:
                    await wait_until_set(self.arrived, POLL_S)
            while self._tasks:
                await asyncio.wait(self._tasks)
            renewing.cancel()

    def stop(self) -> None:
        """Lease nothing more; ``run`` returns when the rows in hand are done."""
        self._stopping = True
        self.arrived.set()

    async def _start_leased(self, group: asyncio.TaskGroup) -> int:
        free = self._service.concurrency - len(self._working)
        if free <= 0:
            return 0
        try:
            rows = await inbox.lease(self._pool, free)
        except AWAY:
            await asyncio.sleep(RETRY_S)
            return 0
        for row in rows:
            self._working[row.position] = row
            task = group.create_task(self._work(row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(rows)

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            if self._working:
                try:
                    await inbox.renew(self._pool, list(self._working.values()))
                except AWAY:
                    logger.warning("leases not renewed", extra={"service": self._service.name})

    async def _work(self, row: inbox.Row) -> None:
        try:
            await self._handle_or_settle(row)
        finally:
            del self._working[row.position]
            self.arrived.set()

    async def _handle_or_settle(self, row: inbox.Row) -> None:
        started = time.perf_counter()
        outcome = "done"
        try:
            if row.attempts > MAX_LEASES:
                raise Rejected("crashed_worker", "the event kept ending its worker")
            await self.handle(row)
            self._bugs = 0
        except Corrupt:
            logger.critical("record contradicts itself", extra=self._fields(row), exc_info=True)
            raise
        except Exception as error:  # noqa: BLE001  # the one place where errors become outcomes
            outcome = await self._settle_safely(row, error)
        HANDLED.labels(self._service.name, row.type, outcome).inc()
        HANDLE_SECONDS.labels(self._service.name, row.type).observe(time.perf_counter() - started)

    async def handle(self, row: inbox.Row) -> None:
        """Answer one row."""
        handler = self._by_type[row.type]
        event = decode(row.body, FACTS)
        with span(f"handle {row.type}", event.traceparent, service=self._service.name):
            facts = list(await handler.transform(event)) if handler.transform else []
            async with self._pool.acquire() as connection, connection.transaction():
                await self._commit(connection, row, event, handler, facts)
        self._outbox.wake()

    async def _commit(
        self,
        transaction: Connection,
        row: inbox.Row,
        event: Event,
        handler: Handler,
        facts: list[Fact],
    ) -> None:
        if isinstance(event.data, ScanErased):
            await transaction.execute(
                "insert into tombstone (subject_id) values ($1) on conflict do nothing", row.key
            )
        elif await transaction.fetchval("select 1 from tombstone where subject_id = $1", row.key):
            await inbox.finish(transaction, row)  # an erased person: nothing is recorded
            return
        if handler.record:
            facts += await handler.record(event, transaction)
        await self._outbox.append(transaction, facts, cause=event, handler_version=handler.version)
        await inbox.finish(transaction, row)

    async def _settle_safely(self, row: inbox.Row, error: Exception) -> str:
        try:
            return await self._settle(row, error)
        except (inbox.LostLease, *AWAY):
            # The lease runs out by itself and the row comes again.
            logger.warning("row not settled", extra=self._fields(row))
            return "lost"

    async def _settle(self, row: inbox.Row, error: Exception) -> str:
        if isinstance(error, inbox.LostLease):
            return "lost"
        if isinstance(error, Rejected):
            await self._bury(row, error.code)
            return "rejected"
        if isinstance(error, (Unavailable, *AWAY)):
            code = error.code if isinstance(error, MemoryGuardError) else "database_away"
            await inbox.back_off(self._pool, row, _seconds(row.attempts), code, counts=False)
            return "unavailable"
        return await self._settle_bug(row, error)

    async def _settle_bug(self, row: inbox.Row, error: Exception) -> str:
        logger.error("handler failed", extra=self._fields(row), exc_info=error)
        self._bugs += 1
        if row.attempts >= MAX_BUG_ATTEMPTS:
            await self._bury(row, "bug")
        else:
            await inbox.back_off(self._pool, row, _seconds(row.attempts), "bug", counts=True)
        if self._bugs >= BUGS_IN_A_ROW:
            raise Corrupt("too_many_bugs", "handlers keep failing; the worker stops") from error
        return "bug"

    async def _bury(self, row: inbox.Row, code: str) -> None:
        logger.warning("event given up", extra=self._fields(row) | {"code": code})
        async with self._pool.acquire() as connection, connection.transaction():
            await self._outbox.append(connection, [self._dead_letter(row, code)])
            await inbox.bury(connection, row, code)
        self._outbox.wake()

    def _dead_letter(self, row: inbox.Row, code: str) -> DeliveryFailed:
        try:
            scan_id = getattr(decode(row.body, FACTS).data, "scan_id", None)
        except Rejected:
            scan_id = None
        return DeliveryFailed(
            subject_id=row.key,
            service=self._service.name,
            topic=row.topic,
            event_id=row.event_id,
            event_source=row.source,
            event_type=row.type,
            code=code,
            attempts=row.attempts,
            scan_id=scan_id,
        )

    def _fields(self, row: inbox.Row) -> dict[str, object]:
        return {
            "service": self._service.name,
            "type": row.type,
            "event_id": row.event_id,
            "attempts": row.attempts,
        }


def _seconds(attempts: int) -> float:
    """Exponential back-off with full jitter, at least half a second."""
    ceiling = min(2.0**attempts, MAX_BACK_OFF_S)
    return 0.5 + random.random() * ceiling  # noqa: S311  # jitter, not a secret
