# SPDX-License-Identifier: Apache-2.0
"""A read model made again beside the one that serves, and put in its place in one transaction.

The copy lies in temporary tables of one connection, which hide the real ones from the handlers that
write there: whoever is interrupted leaves nothing behind and begins again. Handlers go on writing
the real tables meanwhile. They wait only at the end: what has come since is read as well, and rows
that differ are exchanged. Readers never wait; they see the old rows until the commit.

It is for handlers that only record, and give the same rows whatever the order. What they write
beside the projection goes into empty copies, too, and is forgotten.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import asyncpg
from pydantic_core import from_json

from memoryguard.common.contracts.event import Event, Fact, decode_document
from memoryguard.common.contracts.events import ScanErased
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import AWAY, Connection, Pool, session_lock
from memoryguard.common.runtime.exchange import exchange
from memoryguard.common.runtime.history import History
from memoryguard.common.runtime.replay import TRIES
from memoryguard.common.runtime.service import Handler, RecordAll

BATCH_RECORDS = 1_000
"""As many as are best read at once; of a person with several there are as many statements."""
EVENTS_AT_ONCE = 20
"""Events computed before a statement may be sent: 2 ms. The server would wait for whole batches."""
NEAR = 1_000  # events that are quickly read while handlers wait
ROUNDS = 10  # then they wait for more: events come faster than they are recorded
READ_BESIDE = ("inbox", "tombstone")  # what is read and not written here: the real ones

Item = TypeVar("Item")
Batch: TypeAlias = Sequence[Received]

Told: TypeAlias = Callable[[int, int], None]
"""Told how many events have been read, and how many there are."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What is derived from events: ``tables`` in the order of writing, and who writes them."""

    service: str
    tables: Sequence[str]
    handlers: Mapping[type[Fact], Handler]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it.

    Parameters
    ----------
    events
        Events that were recorded, of all that were ``read``.
    passed_over
        Those that nobody records: refused by their handler, unreadable, or of erased people.
    rows_exchanged
        Rows of the old read model that went, and of the new one that came.
    seconds, waited_seconds
        In all; and how long handlers had to wait.
    """

    read: int
    events: int
    passed_over: int
    rows_exchanged: int
    seconds: float
    waited_seconds: float


async def make_beside(
    pool: Pool, projection: Projection, history: History, told: Told = lambda done, there: None
) -> Made:
    """Make a projection again while it serves.

    Parameters
    ----------
    pool
        The service's.
    projection
        What to make.
    history
        Of the topics that the service hears, from the beginning.
    told
        See `Told`.

    Raises
    ------
    Rejected
        ``rebuild_running``; ``bus_is_short``: the bus holds less than the service has heard.
    """
    began = time.perf_counter()
    with _collector_rests():
        async with _connection(pool, projection.service) as connection:
            copy = _Copy(connection, pool, projection)
            await copy.make()
            for _ in range(ROUNDS):
                if await history.left() <= NEAR:
                    break
                await copy.read(history, told)
            async with connection.transaction():
                await _stop_writers(connection, projection)
                stopped = time.perf_counter()
                known = await copy.known()
                await copy.read(history, told)
                if copy.heard < known:
                    raise Rejected(
                        "bus_is_short",
                        "the bus holds fewer events than this service has heard",
                        "is MEMORYGUARD_KAFKA_SERVERS set? Are events lost: memoryguard republish",
                    )
                exchanged = await exchange(connection, projection.service, projection.tables)
    ended = time.perf_counter()
    return Made(
        copy.seen, copy.recorded, copy.passed_over, exchanged,
        round(ended - began, 3), round(ended - stopped, 3),
    )  # fmt: skip


@contextmanager
def _collector_rests() -> Generator[None]:
    """Look for no cycles: among all the parts of events there is none (measured).

    Half of a rebuild's time went there.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@asynccontextmanager
async def _connection(pool: Pool, service: str) -> AsyncGenerator[Connection]:
    """Give the connection whose temporary tables hold the copy; one at a time, over all hosts."""
    async with (
        pool.acquire() as connection,
        session_lock(connection, "rebuild", service, wait=False) as held,
    ):
        if not held:
            raise Rejected("rebuild_running", "it is being rebuilt already", "wait for its end")
        # A statement prepared before would go on meaning the real tables.
        await connection.reload_schema_state()
        try:
            yield connection
        finally:
            with suppress(*AWAY):  # a lost connection keeps no temporary tables
                await connection.execute("discard temp")


async def _stop_writers(transaction: Connection, projection: Projection) -> None:
    """Keep handlers from writing until the end of the transaction; everybody may read."""
    real = ", ".join(f"{projection.service}.{table}" for table in projection.tables)
    for tries_left in reversed(range(TRIES)):
        try:
            async with transaction.transaction():
                await transaction.execute(f"lock table {real} in share row exclusive mode")
            return
        except asyncpg.DeadlockDetectedError:  # with a handler that wrote in another order
            if not tries_left:
                raise


@dataclass(slots=True)
class _Copy:
    """The read model in the making."""

    connection: Connection
    pool: Pool
    projection: Projection
    seen: int = 0
    heard: int = 0
    recorded: int = 0
    _erased: set[str] = field(default_factory=set[str])

    @property
    def passed_over(self) -> int:
        return self.heard - self.recorded

    async def make(self) -> None:
        """Make empty copies of the tables, with their keys."""
        schema = self.projection.service
        names = await self.connection.fetch(
            "select tablename as name from pg_tables where schemaname = $1"
            " and tablename <> all($2) order by 1",
            schema,
            READ_BESIDE,
        )
        keys = await self.connection.fetch(  # asked before names mean the copies
            "select conrelid::regclass::text as name, pg_get_constraintdef(oid) as definition"
            " from pg_constraint where contype = 'f' and connamespace = $1::text::regnamespace",
            schema,
        )
        for each in names:
            name = each["name"]
            await self.connection.execute(
                f"create temp table {name} (like {schema}.{name} including all)"
            )
        for key in keys:
            await self.connection.execute(f"alter table {key['name']} add {key['definition']}")

    async def read(self, history: History, told: Told) -> None:
        """Record everything up to now."""
        there = self.seen + await history.left()
        recording: asyncio.Task[None] | None = None
        try:
            async for batch in _ahead(history.to_now()):
                events = await self._events(batch)  # while the server still records those before
                if recording:
                    await recording
                recording = asyncio.create_task(self._record(events))
                self.seen += len(batch)
                told(self.seen, max(there, self.seen))
        finally:
            if recording:
                await recording

    async def known(self) -> int:
        """Count what the service has heard so far; all of it must lie on the bus."""
        return await self.connection.fetchval(  # pyright: ignore[reportReturnType]
            "select count(*) from inbox where type = any($1)", self._types
        )

    @property
    def _types(self) -> list[str]:
        return [fact.type for fact in self.projection.handlers]

    async def _events(self, batch: Sequence[Received]) -> list[Event]:
        """Read those events that the service's own inbox would have kept."""
        facts = {fact.type: fact for fact in self.projection.handlers}
        parsed = [(record, _parsed(record)) async for record in _giving_way(batch)]
        opened = [(inbox.envelope_of(record, document), document) for record, document in parsed]
        mine = [(each, document) for each, document in opened if each and each.type in facts]
        self.heard += len(mine)
        async with self.pool.acquire() as connection:
            forged = await inbox.conflicting(connection, [each for each, _ in mine])
        events: list[Event] = []
        async for each, document in _giving_way(mine):
            with suppress(Rejected):
                if not any(each is other for other in forged):
                    events.append(decode_document(document, facts))
        return await self._of_living(events)

    async def _of_living(self, events: Sequence[Event]) -> list[Event]:
        """Leave out erased people, but for the event that says so."""
        rows = await self.pool.fetch(
            "select subject_id from tombstone where subject_id = any($1)",
            list({event.partitionkey for event in events}),
        )
        self._erased |= {row["subject_id"] for row in rows}
        kept: list[Event] = []
        for event in events:
            if isinstance(event.data, ScanErased):
                self._erased.add(event.partitionkey)
                kept.append(event)
            elif event.partitionkey not in self._erased:
                kept.append(event)
        return kept

    async def _record(self, events: Sequence[Event]) -> None:
        """Record together; when that fails in halves, until the one at fault is alone."""
        try:
            async with self.connection.transaction():
                for wave in waves(events):
                    await self._record_wave(wave)
        except AWAY:
            raise
        except Exception as error:
            if len(events) > 1:
                await self._record(events[: len(events) // 2])
                await self._record(events[len(events) // 2 :])
            elif not isinstance(error, Rejected):
                raise  # a fault of ours, and no reason to go on without the event
        else:
            self.recorded += len(events)

    async def _record_wave(self, events: Sequence[Event]) -> None:
        together: dict[RecordAll, list[Event]] = {}
        for event in events:
            handler = self.projection.handlers[type(event.data)]
            if handler.record_all:
                together.setdefault(handler.record_all, []).append(event)
            elif handler.record:
                await handler.record(event, self.connection)
        for record_all, some in together.items():
            await record_all(some, self.connection)


async def _ahead(batches: AsyncIterator[Batch]) -> AsyncGenerator[Batch]:
    """Have the next batch fetched while this one is worked on."""
    fetching = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await fetching) is not None:
            fetching = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        fetching.cancel()
        await asyncio.wait([fetching])


async def _giving_way(items: Sequence[Item]) -> AsyncGenerator[Item]:
    """Let statements of the batch before be sent while this one is computed."""
    for number, item in enumerate(items):
        if number % EVENTS_AT_ONCE == 0:
            await asyncio.sleep(0)
        yield item


def _parsed(record: Received) -> Any:
    try:
        return from_json(record.body)
    except ValueError:
        return None


def waves(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Split events so that nobody has two in one part, and everybody's stay in order."""
    parts: list[list[Event]] = []
    count: dict[str, int] = {}
    for event in events:
        n = count.get(event.partitionkey, 0)
        count[event.partitionkey] = n + 1
        if n == len(parts):
            parts.append([])
        parts[n].append(event)
    yield from parts
