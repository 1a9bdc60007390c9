# SPDX-License-Identifier: Apache-2.0
"""Workers lease inbox rows and commit their effects: exactly once in effect.

One row: *transform*, then one transaction { *record*, outbox rows, row done }. Rows that are ready
while a transaction is under way go into the next one together. Nothing waits for a batch to fill;
when a shared transaction fails it is undone and done again in halves, so that each row ends as it
would have ended alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from memoryguard.common.contracts.event import Event, Fact, decode
from memoryguard.common.contracts.events import ScanErased
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import MemoryGuardError, Rejected
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.database import (
    ADVISORY_CLASS,
    AWAY,
    Connection,
    Pool,
    lock_key,
)
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Handler, RecordAll, Service
from memoryguard.common.runtime.settling import Settler
from memoryguard.common.runtime.telemetry import HANDLE_SECONDS, HANDLED, span, span_over
from memoryguard.common.runtime.waiting import pause, wait_until_set

logger = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 1.0
RENEW_S = inbox.LEASE_S / 3
MAX_LEASES = 6  # a row that keeps killing its worker is given up
KINDS = (True, False)  # with a transform, and without
RECORDS = 250  # rows without a transform in one lease; twice as many are in hand

# Replicas may have two events of one person in hand, heard on two topics: the second waits here,
# and then sees what the first has written. Always in the same order, so nobody waits in a circle.
_HOLD = "select pg_advisory_xact_lock($1, k) from unnest($2::int[]) as k"


@dataclass(frozen=True, slots=True)
class Work:
    """A row that is ready to be committed: its event, and what its transform said."""

    row: inbox.Row
    event: Event
    handler: Handler
    facts: Sequence[Fact]
    began: float


class Worker:
    """Works a service's inbox off."""

    def __init__(self, service: Service, pool: Pool, outbox: Outbox) -> None:
        self._service = service
        self._pool = pool
        self._outbox = outbox
        self._settler = Settler(service.name, pool, outbox)
        self._by_type = {fact.type: handler for fact, handler in service.handlers.items()}
        self._transformed = {kind for kind, each in self._by_type.items() if each.transform}
        self._working: dict[int, inbox.Row] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: list[Work] = []
        self._committing = asyncio.Lock()
        self._due = set(KINDS)
        self._held_back = False
        self.arrived = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Work, until told to stop; then finish what is leased."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_forever())
            while not self._stopping:
                self.arrived.clear()
                due, self._due = self._due, set[bool]()
                await self._start_leased(group, due)
                if not self._due:
                    await wait_until_set(self.arrived, POLL_S)
                if not self._due:  # nobody has said what is due: look for everything
                    self._due = set(KINDS)
            while self._tasks:
                await asyncio.wait(self._tasks)
            renewing.cancel()

    def heard(self, rows: Sequence[inbox.Envelope]) -> None:
        """Take note of what was just stored: only what it makes due is asked for."""
        in_hand = {row.key for row in self._working.values()}
        keys = {row.key for row in rows}
        if len(keys) < len(rows) or not in_hand.isdisjoint(keys):
            self._held_back = True
        self._due |= {row.type in self._transformed for row in rows}
        if self._due:
            self.arrived.set()

    def stop(self) -> None:
        """Lease nothing more; ``run`` returns when the rows in hand are done."""
        self._stopping = True
        self.arrived.set()

    # --- leases -------------------------------------------------------------------------------

    async def _start_leased(self, group: asyncio.TaskGroup, due: set[bool]) -> None:
        """Lease what there is room for: each transform is a task, other rows are one together."""
        idle, started = not self._working, False
        try:
            for transformed in sorted(due):
                rows = await self._lease(transformed=transformed)
                started |= bool(rows)
                for together in [[row] for row in rows] if transformed else [rows]:
                    self._start(group, together)
        except AWAY:
            await pause(RETRY_S)
            return  # the next look is for everything
        if due == set(KINDS) and (started or idle):
            # Where a look for everything finds something, more may stand behind it: stored before
            # we came, or by another replica. An idle one that finds nothing has seen the end.
            self._held_back = started

    def _start(self, group: asyncio.TaskGroup, rows: Sequence[inbox.Row]) -> None:
        if not rows:
            return
        self._working |= {row.position: row for row in rows}
        task = group.create_task(self._work(rows))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lease(self, *, transformed: bool) -> list[inbox.Row]:
        in_hand = sum((r.type in self._transformed) == transformed for r in self._working.values())
        if transformed:
            limit = self._service.concurrency - in_hand
        else:
            limit = min(RECORDS, 2 * RECORDS - in_hand)
        rows: list[inbox.Row] = []
        if limit > 0:
            rows = await inbox.lease(self._pool, limit, self._transformed, among=transformed)
        # There may be more; of rows that were leased before, one comes at a time.
        if len(rows) == max(limit, 0) or any(row.attempts > 1 for row in rows):
            self._held_back = True
        return rows

    async def _renew_forever(self) -> None:
        while True:
            await pause(RENEW_S)
            if self._working:
                try:
                    await inbox.renew(self._pool, list(self._working.values()))
                except AWAY:
                    logger.warning("leases not renewed", extra={"service": self._service.name})

    # --- transforms ---------------------------------------------------------------------------

    async def _work(self, rows: Sequence[inbox.Row]) -> None:
        for row in rows:
            await self._make_ready(row)
        async with self._committing:  # whoever comes first commits for all who are ready
            group, self._ready = self._ready, []
            await self._commit(group)
        if self._held_back:
            self._due = set(KINDS)
            self.arrived.set()

    async def _make_ready(self, row: inbox.Row) -> None:
        began = time.perf_counter()
        try:
            if row.attempts > MAX_LEASES:
                raise Rejected("crashed_worker", "the event kept ending its worker")
            work = await self._transform(row, began)
            self._ready.append(work)  # not in one line: the list may be another after the await
        except Exception as error:  # noqa: BLE001  # errors become outcomes
            self._end(row, await self._settler.settle(row, error), began)

    async def _transform(self, row: inbox.Row, began: float) -> Work:
        handler = self._by_type[row.type]
        event = decode(row.body, FACTS)
        facts: Sequence[Fact] = ()
        if handler.transform:
            with span(f"transform {row.type}", event.traceparent, service=self._service.name):
                facts = await handler.transform(event)
        return Work(row, event, handler, facts, began)

    # --- transactions -------------------------------------------------------------------------

    async def handle(self, row: inbox.Row) -> None:
        """Answer one row."""
        await self._record([await self._transform(row, time.perf_counter())])

    async def _commit(self, group: Sequence[Work]) -> None:
        """Commit together; when that fails in halves, until the one at fault is alone."""
        if not group:
            return
        try:
            await self._record(group)
        except Exception as error:  # noqa: BLE001  # errors become outcomes
            # A database that is away is no row's fault: asking it for each would take too long.
            away = isinstance(error, AWAY) and not isinstance(error, MemoryGuardError)
            if len(group) == 1 or away:
                for work in group:
                    outcome = await self._settler.settle(work.row, error)
                    self._end(work.row, outcome, work.began)
            else:
                await self._commit(group[: len(group) // 2])
                await self._commit(group[len(group) // 2 :])
        else:
            self._settler.succeeded()
            for work in group:
                self._end(work.row, "done", work.began)

    async def _record(self, group: Sequence[Work]) -> None:
        """Commit records, answers and ends of rows, all in one transaction."""
        events: list[Event] = []
        async with self._pool.acquire() as connection, connection.transaction():
            await self._hold_people(connection, group)
            erased = await self._erased(connection, group)
            kept = [work for work in group if work.row.key not in erased]
            await self._record_together(connection, kept)
            for work in kept:
                events += await self._answers(connection, work)
            await self._outbox.write(connection, events)
            await inbox.finish(connection, *(work.row for work in group))
        if events:
            self._outbox.wake()

    async def _hold_people(self, transaction: Connection, group: Sequence[Work]) -> None:
        people = {lock_key("person", self._service.name, work.row.key) for work in group}
        await transaction.execute(_HOLD, ADVISORY_CLASS, sorted(people))

    async def _erased(self, transaction: Connection, group: Sequence[Work]) -> set[str]:
        """Write tombstones; whose rows are to be passed over: nothing more is recorded of them."""
        erasures = {work.row.key for work in group if isinstance(work.event.data, ScanErased)}
        if erasures:
            await transaction.execute(
                "insert into tombstone (subject_id) select unnest($1::text[])"
                " on conflict do nothing",
                sorted(erasures),
            )
            await transaction.execute(
                "delete from keyed_answer where subject_id = any($1)", sorted(erasures)
            )
        rows = await transaction.fetch(
            "select subject_id from tombstone where subject_id = any($1)",
            [work.row.key for work in group],
        )
        return {row["subject_id"] for row in rows} - erasures

    async def _record_together(self, transaction: Connection, group: Sequence[Work]) -> None:
        together: defaultdict[RecordAll, list[Event]] = defaultdict(list)
        for work in group:
            if work.handler.record_all:
                together[work.handler.record_all].append(work.event)
        for record_all, events in together.items():
            traces = [event.traceparent for event in events]
            with span_over("record together", traces, service=self._service.name):
                await record_all(events, transaction)

    async def _answers(self, transaction: Connection, work: Work) -> list[Event]:
        handler, event = work.handler, work.event
        if not (work.facts or handler.record):
            return []
        with span(f"record {event.type}", event.traceparent, service=self._service.name):
            facts = await handler.record(event, transaction) if handler.record else ()
            return self._outbox.events([*work.facts, *facts], event, handler.version)

    def _end(self, row: inbox.Row, outcome: str, began: float) -> None:
        del self._working[row.position]
        HANDLED.labels(self._service.name, row.type, outcome).inc()
        HANDLE_SECONDS.labels(self._service.name, row.type).observe(time.perf_counter() - began)
