# SPDX-License-Identifier: Apache-2.0
"""A running line-up that can be fed and looked at: what flow.py measures."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
from lineups import LineUp, received
from start import ready

from memoryguard.cli.home import make_home
from memoryguard.cli.up import platform
from memoryguard.common.contracts.events import ScanReceived
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Service
from memoryguard.common.testing.broker import free_port
from memoryguard.ingest.service import RECIPE as INGEST

WARM_UP_SCANS = 10
DEADLINE_S = 240.0
ANSWERS = ("memoryguard.risk.predicted.v1", "memoryguard.risk.withheld.v1")
_COMMITS = """
select key, 'heard by processor' as step, received_at as at from processor.inbox
where key = any($1)
union all select key, 'heard by atrophy', received_at from atrophy.inbox where key = any($1)
union all select key, 'heard by ml', received_at from ml.inbox where key = any($1)
union all select key, 'handled by processor', pg_xact_commit_timestamp(xmin)
from processor.inbox where key = any($1)
union all select key, 'handled by atrophy', pg_xact_commit_timestamp(xmin)
from atrophy.inbox where key = any($1)
union all select key, 'handled by ml', pg_xact_commit_timestamp(xmin)
from ml.inbox where key = any($1)
union all select subject_id, 'shown by api', pg_xact_commit_timestamp(f.xmin)
from api.scan_fact f join api.scan using (scan_id)
where subject_id = any($1) and kind in ('predicted', 'withheld')
union all select subject_id, 'in the audit log', pg_xact_commit_timestamp(xmin)
from log.entry where subject_id = any($1) and type like 'memoryguard.risk.%'
"""
STEPS = (
    "heard by processor", "handled by processor", "heard by atrophy", "handled by atrophy",
    "heard by ml", "handled by ml", "shown by api", "in the audit log",
)  # fmt: skip


class Bench:
    """A running platform that can be fed and looked at."""

    def __init__(self, ingest: Platform, look: asyncpg.Connection) -> None:
        self._ingest = ingest
        self.look = look

    async def prepared(self, count: int) -> list[ScanReceived]:
        """Store tiny archives of new people."""
        facts: list[ScanReceived] = []
        for _ in range(count):
            subject, name = uuid.uuid4().hex, f"20260101T000000Z-{uuid.uuid4().hex[:16]}"
            ref = await self._ingest.objects.put(f"scans/{subject}/{name}", subject, b"tiny" * 64)
            facts.append(received(subject, ref))
        return facts

    async def announce(self, facts: Sequence[ScanReceived]) -> None:
        """Say that scans were received, as ingest does."""
        async with self._ingest.pool.acquire() as connection, connection.transaction():
            await self._ingest.outbox.append(connection, facts)
        self._ingest.outbox.wake()

    async def completed(self, keys: Sequence[str]) -> dict[str, dict[str, float]]:
        """Wait until all answers are in read model and log; commit times by subject, then step."""
        async with asyncio.timeout(DEADLINE_S):
            while await self._answered(keys) < 2 * len(keys):  # noqa: ASYNC110  # not told
                await asyncio.sleep(0.1)
        rows = await self.look.fetch(_COMMITS, list(keys))
        found: dict[str, dict[str, float]] = {key: {} for key in keys}
        for row in rows:
            found[row["key"]][row["step"]] = row["at"].timestamp()
        return found

    async def fed(
        self, count: int, per_s: float | None
    ) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        """Feed scans at once or at a rate: when each was due, and when each step was committed."""
        facts = await self.prepared(count)
        due: dict[str, float] = {}
        began = time.time()
        if per_s is None:
            due = {fact.subject_id: began for fact in facts}
            await self.announce(facts)
        else:
            for n, fact in enumerate(facts):
                due[fact.subject_id] = began + n / per_s
                await asyncio.sleep(max(0.0, due[fact.subject_id] - time.time()))
                await self.announce([fact])
        return due, await self.completed(list(due))

    async def _answered(self, keys: Sequence[str]) -> int:
        return await self.look.fetchval(  # pyright: ignore[reportReturnType]
            "select (select count(*) from log.entry where subject_id = any($1) and type = any($2))"
            " + (select count(*) from api.scan_fact join api.scan using (scan_id)"
            "    where subject_id = any($1) and kind in ('predicted', 'withheld'))",
            list(keys), list(ANSWERS),
        )  # fmt: skip


@asynccontextmanager
async def running(database_url: str, line_up: LineUp) -> AsyncGenerator[Bench]:
    """Run a line-up on a database; yield it warm."""
    given: list[Platform] = []

    async def build(platform: Platform, stack: AsyncExitStack) -> Service:
        given.append(platform)
        return await INGEST.build(platform, stack)

    mine = [
        Recipe(r.name, build, r.migrations) if r.name == "ingest" else r
        for r in line_up.recipes()
        if r.name not in line_up.apart
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(platform(home, database_url=database_url, recipes=mine))
            for name in line_up.apart:  # their environment is now this process's own
                await stack.enter_async_context(_process(name))
            look = await asyncpg.connect(database_url)
            try:
                bench = Bench(given[0], look)
                await bench.fed(WARM_UP_SCANS, None)
                yield bench
            finally:
                await look.close()


@asynccontextmanager
async def _process(service: str) -> AsyncGenerator[None]:
    """Run a service as it is deployed."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"memoryguard.{service}",
        env=os.environ | {"MEMORYGUARD_PORT": str(port), "MEMORYGUARD_LOG_LEVEL": "ERROR"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not ready(port):  # noqa: ASYNC110  # not told
                await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        await process.wait()
