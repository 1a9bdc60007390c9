# SPDX-License-Identifier: Apache-2.0
"""Live status: one event for each change, woken by the database, ended by the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import api_facts as say
import pytest

from memoryguard.api.changes import Changes
from memoryguard.api.live import HEARTBEAT_S, POLL_S
from memoryguard.common.contracts import events as e
from memoryguard.common.runtime.database import connect

if TYPE_CHECKING:
    from conftest import Api, Client

CLOSED = b"event: closed\ndata: {}\n\n"
PATH = f"/api/v1/imaging/{say.SCAN}/events"


async def next_status(response: aiohttp.ClientResponse) -> dict[str, Any] | None:
    """Read up to the next status; None when the stream ends."""
    while line := (await response.content.readline()).decode():
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    return None


@asynccontextmanager
async def in_background(task: Any) -> AsyncGenerator[None]:
    running = asyncio.create_task(task)
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_each_change_is_told_until_the_end(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    response = await client.get(PATH, headers=api.bearer(say.ANNA))
    assert response.content_type == "text/event-stream"
    told = [await next_status(response)]
    for event in (
        say.at(say.extracted(), 1),
        say.at(say.scored(), 2),
        say.at(say.predicted(), 3),
    ):
        await api.hear(event)
        told.append(await next_status(response))
    assert [each and (each["status"], each["stage"]) for each in told] == [
        ("uploaded", "received"),
        ("processing", "measured"),
        ("processing", "scored"),
        ("completed", "explained"),
    ]
    assert await next_status(response) is None
    # one look, recorded once, before the first event
    assert [type(fact) for fact in await api.said()] == [e.AccessRead]


async def test_a_watcher_may_come_before_the_scan(api: Api, client: Client) -> None:
    asked = asyncio.create_task(client.get(PATH, headers=api.bearer(say.ANNA)))
    await asyncio.wait({asked}, timeout=0.3)
    assert not asked.done()
    await api.hear(say.at(say.received(), 0))
    told = await next_status(await asked)
    assert told
    assert told["status"] == "uploaded"


async def test_a_scan_at_its_end_is_told_once(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.refused(), 1))
    response = await client.get(PATH, headers=api.bearer(say.ANNA))
    told = await next_status(response)
    assert told
    assert told["error"]["code"] == "not_a_head"
    assert await next_status(response) is None


async def test_draining_ends_the_stream(api: Api, client: Client, stopping: asyncio.Event) -> None:
    await api.hear(say.at(say.received(), 0))
    response = await client.get(PATH, headers=api.bearer(say.ANNA))
    assert await next_status(response)
    stopping.set()
    assert await next_status(response) is None


async def test_erasure_ends_the_stream(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    response = await client.get(PATH, headers=api.bearer(say.ANNA))
    assert await next_status(response)
    await api.hear(say.at(e.ScanErased(subject_id=say.SUBJECT), 1))
    assert await next_status(response) is None


async def test_a_page_that_is_open_hears_when_it_is_closed(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.refused(), 1))
    grant = "insert into access_grant values ($1, 'carla', $2, true, now())"
    await api.platform.pool.execute(grant, say.ANNA, say.SUBJECT)
    carer = api.bearer("carla", "caregiver")
    response = await client.get(f"{PATH}?stay=1", headers=carer)
    told = await next_status(response)
    assert told
    assert told["status"] == "failed"  # the end, and the stream goes on
    gone = await client.delete("/api/v1/access/grants/carla", headers=api.bearer(say.ANNA))
    assert gone.status == 200
    assert "event: closed" in (await response.content.read()).decode()
    assert (await client.get(f"{PATH}?stay=1", headers=carer)).status == 404


async def test_an_open_page_hears_at_once_and_asks_only_then(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.extracted(), 1))
    pool, (listen,) = api.platform.pool, api.service.background
    grant = "insert into access_grant values ($1, $2, $3, true, now())"
    for carer in ("carla", "cora"):
        await pool.execute(grant, say.ANNA, carer, say.SUBJECT)

    async def soon(page: aiohttp.ClientResponse) -> bytes:
        async with asyncio.timeout(HEARTBEAT_S / 3):
            return await page.content.readuntil(b"\n\n")

    async with in_background(listen()):
        carla, cora = [
            await client.get(f"{PATH}?stay=1", headers=api.bearer(carer, "caregiver"))
            for carer in ("carla", "cora")
        ]
        assert b"processing" in await soon(carla) and b"processing" in await soon(cora)
        await api.hear(say.at(say.refused(), 2))
        assert b"failed" in await soon(carla) and b"failed" in await soon(cora)
        await pool.execute("update access_grant set granted = false where grantee_id = 'cora'")
        with pytest.raises(TimeoutError):  # nobody is told
            async with asyncio.timeout(2 * POLL_S):
                await cora.content.readuntil(b"\n\n")
        gone = await client.delete("/api/v1/access/grants/carla", headers=api.bearer(say.ANNA))
        assert gone.status == 200
        assert await soon(carla) == CLOSED and await soon(cora) == CLOSED


async def test_watchers_are_woken_by_the_database(api: Api) -> None:
    changes = Changes(api.platform.pool)

    async def listening() -> bool:
        await asyncio.sleep(0.01)
        return changes.listening

    with changes.watching(say.SCAN) as mine, changes.watching("another") as other:
        async with in_background(changes.listen()):
            await until(listening)
            assert mine.is_set() and other.is_set(), "what came before was not heard"
            mine.clear()
            other.clear()
            await api.hear(say.at(say.received(), 0))
            async with asyncio.timeout(20):
                await mine.wait()
            assert not other.is_set()
        assert not changes.listening


async def test_the_listener_comes_back_after_its_connection_is_cut(
    api: Api, database_url: str
) -> None:
    changes = Changes(api.platform.pool)

    async def heard() -> bool:
        await api.hear(say.at(say.received(), 0))
        try:
            await asyncio.wait_for(changed.wait(), 0.05)
        except TimeoutError:
            return False
        changed.clear()
        return True

    async with in_background(changes.listen()):
        with changes.watching(say.SCAN) as changed:
            await until(heard)
            admin = await connect(database_url)
            cut = await admin.fetch(
                "select pid, pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and query = 'select 1'"
            )
            await admin.close()
            assert len(cut) == 1
            await until(heard)


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 20
    while not await happened():
        assert time.monotonic() < deadline
