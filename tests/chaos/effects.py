# SPDX-License-Identifier: Apache-2.0
"""Doubles of database, object store and bus that count every await which changed something.

An effect is counted the moment it is durable and before anything else runs, so a process that is
killed at its nth effect leaves exactly n of them behind. (Killed before the first: nothing ever
happened; killed before effect n + 1: the same state as after n.) Inside a transaction nothing is
visible to anybody before COMMIT, so only the COMMIT counts. A statement that changed no row is no
effect: workers and relays ask for work once a second.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from memoryguard.common.runtime.bus import Record, Resume
from memoryguard.common.runtime.bus_kafka import KafkaBus, KafkaConsumer

T = TypeVar("T")

_CHANGES = re.compile(
    r"(?<!for )(?<!do )(?<!key )\b(insert\s+into|update|delete\s+from|create\s+table"
    r"(?:\s+if\s+not\s+exists)?|truncate)\s+(?!(?:or|on)\b)([\w.]+)",
    re.IGNORECASE,
)


def tell(run: str, **line: object) -> None:
    """Say something to the test: one line on standard output, whole even when we die next."""
    os.write(1, (json.dumps({"run": run} | line) + "\n").encode())


class Effects:
    """Counts effects, and ends this process at the nth.

    Parameters
    ----------
    run
        Which run of the test this is.
    kill_at
        The effect that is the last: its number, or its name (the first of that name); 0 lets the
        process live.
    """

    def __init__(self, run: str, kill_at: int | str) -> None:
        self._run = run
        self._kill_at = kill_at
        self._count = 0
        self._last = ""

    def happened(self, name: str, alike: str = "") -> None:
        """Count one effect; of those called ``alike`` only the first in a row, as of a batch."""
        if name == self._last == alike:
            return
        self._last = name
        self._count += 1
        tell(self._run, effect=name)
        if self._kill_at in (self._count, name):
            os.kill(os.getpid(), signal.SIGKILL)


def tables_changed(sql: str) -> list[str]:
    """Tables that a statement writes to."""
    return [table for _, table in _CHANGES.findall(sql)]


def connection_class(effects: Effects) -> type[asyncpg.Connection]:
    """Make a class of connections that count."""

    class Counting(asyncpg.Connection):
        """A connection. Only the server knows whether a statement changed anything: ask it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._tables: list[str] = []

        async def execute(self, query: str, *args: Any, **options: Any) -> str:
            match query.split(None, 1)[0].upper().rstrip(";"):
                case "BEGIN":
                    self._tables.clear()
                case "COMMIT":
                    return await self._commit()
                case _:
                    pass
            return await self._watched(query, super().execute(query, *args, **options))

        async def executemany(self, command: str, args: Iterable[Any], **options: Any) -> None:
            await self._watched(command, super().executemany(command, args, **options))

        async def fetch(self, query: str, *args: Any, **options: Any) -> list[Any]:
            return await self._watched(query, super().fetch(query, *args, **options))

        async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
            return await self._watched(query, super().fetchrow(query, *args, **options))

        async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
            return await self._watched(query, super().fetchval(query, *args, **options))

        async def copy_records_to_table(self, table_name: str, **options: Any) -> str:
            copied = super().copy_records_to_table(table_name, **options)
            return await self._watched(f"insert into {table_name}", copied)

        def prepare(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("a prepared statement's effects would not be counted")

        copy_to_table = cursor = prepare

        async def _watched(self, query: str, asked: Awaitable[T]) -> T:
            """Do what is asked; a statement alone gets a transaction that can be asked about."""
            tables = tables_changed(query)
            alone = bool(tables) and not self.is_in_transaction()
            if alone:
                self._tables.clear()
                await super().execute("BEGIN")
            self._tables += tables
            try:
                answer = await asked
            except BaseException:
                if alone:
                    await super().execute("ROLLBACK")
                raise
            if alone:
                await self._commit()
            return answer

        async def _commit(self) -> str:
            wrote = await super().fetchval("select pg_current_xact_id_if_assigned() is not null")
            status = await super().execute("COMMIT")
            if wrote and self._tables:
                effects.happened("commit " + "+".join(dict.fromkeys(self._tables)))
            return status

    return Counting


class CountingStore:
    """An object store that counts what it was made to keep or forget."""

    def __init__(self, store: Any, effects: Effects) -> None:
        self._store = store
        self._effects = effects

    async def get_async(self, path: str, **options: Any) -> Any:
        return await self._store.get_async(path, **options)

    async def head_async(self, path: str) -> Any:
        return await self._store.head_async(path)

    async def get_ranges_async(self, path: str, **options: Any) -> Any:
        return await self._store.get_ranges_async(path, **options)

    async def put_async(self, path: str, *arguments: Any, **options: Any) -> Any:
        answer = await self._store.put_async(path, *arguments, **options)
        self._effects.happened(f"put {path.split('/', 1)[0]}", alike="put staging")
        return answer

    def list(self, folder: str) -> Any:
        return self._store.list(folder)

    async def delete_async(self, paths: Any) -> None:
        await self._store.delete_async(paths)
        self._effects.happened("delete")


class CountingKafkaBus(KafkaBus):
    """Kafka; each record is an effect of its own: a batch may be cut anywhere by a crash.

    (The embedded bus needs no double: its effects are commits of the pool it is given.)
    """

    def __init__(self, settings: Any, effects: Effects) -> None:
        super().__init__(settings)
        self._effects = effects

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            await super().publish([record])
            self._effects.happened(f"publish {record.topic}")

    @asynccontextmanager
    async def consumer(
        self,
        group: str,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        resume: Resume | None = None,
    ) -> AsyncGenerator[KafkaConsumer]:
        async with super().consumer(group, topics, pattern, resume) as inner:
            client: Any = _CommittingClient(inner._client, self._effects)  # the broker's client
            yield KafkaConsumer(client, inner._prefix, inner._resumption)


class _CommittingClient:
    """The client under a consumer; a commit is an effect."""

    def __init__(self, client: Any, effects: Effects) -> None:
        self._client = client
        self._effects = effects

    async def commit(self, offsets: Any) -> None:
        await self._client.commit(offsets)
        self._effects.happened("commit offsets")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
