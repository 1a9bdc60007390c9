# SPDX-License-Identifier: Apache-2.0
"""The suite can fail: without the inbox's uniqueness, or without fencing, it does.

Uniqueness is switched off under the crash points themselves. Fencing is not what a killed process
needs (it writes no more): it guards against a worker that was only slow, so that is its control.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

import outcome
import pytest
import pytest_asyncio
from runs import World, fresh, perform
from stage import Stage

from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.events import DeliveryFailed, HealthRecorded
from memoryguard.common.runtime import database, inbox
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.worker import Worker

STORED = "commit inbox"
"""Killed here the first time, a service has stored its events and not told the bus."""

NOT_UNIQUE = """
create function processor.not_unique() returns trigger language plpgsql as $$ begin
    if exists (select from processor.inbox i
               where i.source = new.source and i.event_id = new.event_id) then
        new.event_id := new.event_id || ' ' || gen_random_uuid();
    end if;
    return new;
end $$;
create trigger not_unique before insert on processor.inbox
    for each row execute function processor.not_unique();
"""

NO_FENCE = """
create function no_fence() returns trigger language plpgsql as $$ begin
    new.fence := old.fence;
    return new;
end $$;
create trigger no_fence before update on inbox for each row execute function no_fence();
"""


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("switched_off", [False, True])
async def test_without_the_inboxs_uniqueness_a_crash_point_fails(
    stage: Stage, switched_off: bool
) -> None:
    act = stage.acts["processor"]
    world = await _not_unique(act.world) if switched_off else act.world
    async with fresh(world, "processor", stage.folder) as run:
        child = await perform(run, stage.zygote, act.script, STORED)
        assert child.effects[-1] == STORED
        found = outcome.differences(act.undisturbed, await run.outcome(), asked_again=1)
    assert any("processor.inbox: +1" in line for line in found) == switched_off
    assert bool(found) == switched_off, found


async def _not_unique(world: World) -> World:
    """Make every event that comes again a new one."""
    name = "world_not_unique"
    server = await database.connect(world.admin_url)
    try:
        await server.execute(f"create database {name} template {world.template}")
    finally:
        await server.close()
    url = world.admin_url.replace("/postgres?", f"/{name}?")
    async with await database.open_pool(url, "processor") as pool:
        await database.migrate(pool, "processor", [database.RUNTIME_MIGRATIONS])
        await pool.execute(NOT_UNIQUE)
    return replace(world, template=name)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await database.open_pool(database_url, "ml") as pool:
        await database.migrate(pool, "ml", [database.RUNTIME_MIGRATIONS])
        yield pool


async def test_a_stalled_worker_is_refused(pool: Pool) -> None:
    assert await _stalled_and_overtaken(pool) == ["overtaker"]


async def test_without_fencing_a_stalled_worker_has_its_way(pool: Pool) -> None:
    await pool.execute(NO_FENCE)
    assert await _stalled_and_overtaken(pool) == ["stalled"]


async def _stalled_and_overtaken(pool: Pool) -> list[str]:
    """Let a worker stall past its lease, another take the row over, and both settle it."""
    await _put(pool)
    stalled, overtaker = _Slow("stalled"), _Slow("overtaker")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for slow in (stalled, overtaker):
            worker = Worker(Service("ml", {HealthRecorded: slow.handler}), pool, Outbox("ml"))
            slow.working = group.create_task(worker.run())
            await slow.began.wait()
            slow.stop = worker.stop
            await pool.execute(
                "update inbox set leased_until = now() - interval '1 s' where attempts = 1"
            )
        for slow in (stalled, overtaker):  # the stalled one wakes while the other is at it
            slow.may_end.set()
            slow.stop()
            await slow.working
    (row,) = await pool.fetch("select state, attempts from inbox")
    assert tuple(row) == ("done", 2)
    return [_code(row["body"]) for row in await pool.fetch("select body from outbox")]


def _code(body: bytes) -> str:
    return json.loads(body)["data"]["code"]


class _Slow:
    """A worker's handler that answers when it may."""

    working: asyncio.Task[None]
    stop: Callable[[], None]

    def __init__(self, code: str) -> None:
        self._code = code
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.handler = Handler(transform=self._transform)

    async def _transform(self, event: Event) -> Sequence[Fact]:
        self.began.set()
        await self.may_end.wait()
        return [
            DeliveryFailed(
                subject_id=event.partitionkey, service="ml", topic="t", event_id="e",
                event_source="s", event_type="t", code=self._code, attempts=1,
            )
        ]  # fmt: skip


async def _put(pool: Pool) -> None:
    fact = HealthRecorded.model_validate(
        {"subject_id": "a", "user_id": "u", "recorded_on": "2026-01-01", "metrics": {},
         "provenance": "synthetic"}
    )  # fmt: skip
    event = new_event(fact, source="/test")
    envelope = inbox.open_envelope(Received("memoryguard.health.v1", "a", event.to_bytes(), 1))
    assert envelope
    async with pool.acquire() as connection, connection.transaction():
        await inbox.store(connection, [envelope])
