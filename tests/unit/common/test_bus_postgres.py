# SPDX-License-Identifier: Apache-2.0
"""The embedded bus when its connection is cut: members notice, and still stop when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from memoryguard.common.errors import Unavailable
from memoryguard.common.runtime.bus_postgres import CHANNEL, POLL_S, PostgresBus
from memoryguard.common.runtime.database import AWAY, Pool, connect, listening, open_pool
from memoryguard.common.runtime.waiting import pause

TOPIC = "memoryguard.scans.v1"


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await open_pool(database_url, "api") as pool:
        yield pool


async def cut(database_url: str) -> None:
    """Cut every connection that listens, as a restarted server does."""
    connection = await connect(database_url)
    cut = await connection.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and query ilike 'listen%'"
    )
    await connection.close()
    assert cut


async def test_a_member_whose_listener_was_cut_says_so(pool: Pool, database_url: str) -> None:
    async with PostgresBus(pool).consumer("group", [TOPIC]) as member:
        reading = asyncio.ensure_future(anext(member.batches()))  # type: ignore[call-overload]
        await cut(database_url)
        with pytest.raises(Unavailable, match="bus_unavailable"):
            await asyncio.wait_for(reading, 5 * POLL_S)


async def test_cancelling_is_not_lost_with_the_connection(pool: Pool, database_url: str) -> None:
    listens, noticed = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        async with listening(pool, CHANNEL, print) as (_, lost):
            listens.set()
            await lost.wait()
            noticed.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(listen())
    await listens.wait()
    await cut(database_url)
    await noticed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_a_loop_that_goes_on_after_errors_still_ends_when_cancelled() -> None:
    started = asyncio.Event()

    async def attempt() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise ConnectionError  # what a clean-up on a lost connection does

    async def loop() -> None:
        while True:
            try:
                await attempt()
            except AWAY:
                await pause(0)

    task = asyncio.create_task(loop())
    await started.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()
