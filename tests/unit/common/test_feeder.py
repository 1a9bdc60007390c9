# SPDX-License-Identifier: Apache-2.0
"""Generations of the feed: begun anew in the middle of everything, and recovered from the bus."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

import pytest
import pytest_asyncio
from test_runtime import SERVICE, TOPIC, recorded

from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.events import HealthRecorded
from memoryguard.common.contracts.flow import STREAMS
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import database, inbox, replay
from memoryguard.common.runtime.bus import Received, Record
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import ADVISORY_CLASS, Connection, Pool, lock_key
from memoryguard.common.runtime.feeder import Feeder
from memoryguard.common.runtime.history import history
from memoryguard.common.runtime.outbox import Outbox, Relay
from memoryguard.common.runtime.recovery import recover
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.worker import Worker

PROJECTION = ("derived",)
EMBEDDED = KafkaSettings(servers="")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await database.open_pool(database_url, SERVICE) as pool:
        await database.migrate(pool, SERVICE, [database.RUNTIME_MIGRATIONS])
        await pool.execute("create table derived (subject_id text, moca float8)")
        yield pool


def record_of(fact: Fact) -> Record:
    event = new_event(fact, source="/test")
    return Record(TOPIC, event.partitionkey, event.to_bytes())


def received(record: Record, position: int = 1) -> Received:
    return Received(record.topic, record.key, record.body, position)


async def derive(event: Event, transaction: Connection) -> Sequence[Fact]:
    assert isinstance(event.data, HealthRecorded)
    await transaction.execute(
        "insert into derived values ($1, $2)", event.partitionkey, event.data.metrics["moca"]
    )
    return [event.data.model_copy(update={"provenance": "answer"})]


SERVED = Service(SERVICE, {HealthRecorded: Handler(record=derive)}, projection=PROJECTION)


def feeder_of(pool: Pool, worker: Worker | None = None) -> Feeder:
    outbox = Outbox(SERVICE)
    return Feeder(SERVED, pool, PostgresBus(pool), outbox, worker or Worker(SERVED, pool, outbox))


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*loops: Awaitable[None]) -> AsyncGenerator[None]:
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- generations ---------------------------------------------------------------------------------


def test_the_first_generation_has_the_services_own_name() -> None:
    assert [replay.group_of("ml", n) for n in range(3)] == ["ml", "ml.1", "ml.2"]


async def test_a_feeder_that_has_not_noticed_stores_nothing(pool: Pool) -> None:
    feeder = feeder_of(pool)
    await feeder.store([received(record_of(recorded("a", 1)))])
    assert await replay.replay(pool) == 1
    with pytest.raises(replay.Outdated):
        await feeder.store([received(record_of(recorded("a", 2)))])
    assert await pool.fetchval("select count(*) from inbox") == 1


async def test_a_rebuild_waits_for_a_feeder_that_is_storing(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await replay.hold_generation(connection, 0)
        envelope = inbox.open_envelope(received(record_of(recorded("a"))))
        assert envelope
        rebuilding = asyncio.create_task(replay.rebuild(pool, PROJECTION))
        await until(lambda: _waits_for_a_lock(pool))
        assert await inbox.store(connection, [envelope]) == []
        assert not rebuilding.done()
    assert await rebuilding == 1
    assert await pool.fetchval("select count(*) from inbox") == 0


async def _waits_for_a_lock(pool: Pool) -> bool:
    return bool(await pool.fetchval("select exists (select from pg_locks where not granted)"))


async def test_every_replica_begins_anew_while_events_come_in(pool: Pool) -> None:
    bus = PostgresBus(pool)
    await bus.publish([record_of(recorded("a", n)) for n in range(5)])
    workers = [Worker(SERVED, pool, Outbox(SERVICE)) for _ in range(2)]
    feeders = [feeder_of(pool, worker) for worker in workers]

    async def derived(count: int) -> bool:
        return await pool.fetchval("select count(*) from derived") == count

    async with running(*(each.run() for each in (*workers, *feeders))):
        await until(lambda: derived(5))
        await replay.rebuild(pool, PROJECTION)
        await bus.publish([record_of(recorded("a", n)) for n in range(5, 8)])
        await until(lambda: derived(8))
        await replay.replay(pool)
        await bus.publish([record_of(recorded("a", 8))])
        await until(lambda: derived(9))
    rows = await pool.fetch("select moca from derived order by ctid")
    assert [row["moca"] for row in rows] == [float(n) for n in range(9)]  # in order, each once
    groups = await pool.fetch("select member from bus.cursor order by member")
    assert [row["member"] for row in groups] == ["ml", "ml.1", "ml.2"]
    assert await pool.fetchval("select count(*) from outbox") == 9  # said once


async def test_what_a_handler_has_in_hand_is_rolled_back_and_handled_once(pool: Pool) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> Sequence[Fact]:
        begun.set()
        await go_on.wait()
        return []

    service = Service(SERVICE, {HealthRecorded: Handler(slow, derive)}, projection=PROJECTION)
    worker = Worker(service, pool, Outbox(SERVICE))
    record = received(record_of(recorded("a", 1)))
    await feeder_of(pool).store([record])
    async with running(worker.run()):
        await begun.wait()
        old = await pool.fetchval("select position from inbox")
        await replay.rebuild(pool, PROJECTION)
        feeder = feeder_of(pool)
        feeder._generation = 1  # pyright: ignore[reportPrivateUsage]  # as run() reads it
        await feeder.store([record])
        again = await pool.fetchrow("select position, state, fence from inbox")
        assert again and again["position"] > old  # the old fence fits no row
        go_on.set()

        async def done() -> bool:
            return bool(await pool.fetchval("select 1 from inbox where state = 'done'"))

        await until(done)
    assert await pool.fetchval("select count(*) from derived") == 1
    assert await pool.fetchval("select count(*) from outbox") == 1


async def test_handlers_that_lock_in_another_order_delay_a_rebuild_and_no_more(pool: Pool) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("lock table inbox in row exclusive mode")
        rebuilding = asyncio.create_task(replay.rebuild(pool, PROJECTION))
        await until(lambda: _waits_for_a_lock(pool))
        try:
            await connection.execute("insert into derived values ('late', 1)")
        except database.AWAY:  # the handler was chosen to give way: it comes again
            await transaction.rollback()
        else:
            await transaction.commit()
    await rebuilding
    assert await pool.fetchval("select count(*) from derived") == 0


async def test_there_must_be_something_to_rebuild(pool: Pool) -> None:
    with pytest.raises(Rejected, match="nothing_to_rebuild"):
        await replay.rebuild(pool, ())
    assert await replay.current_generation(pool) == 0


async def test_a_replay_says_no_dead_letter_and_no_conflict_twice(pool: Pool) -> None:
    record = received(record_of(recorded("a")))
    forged = Received(TOPIC, "a", record.body + b" ", 2)
    for _ in range(2):
        await feeder_of(pool).store([record, forged, Received(TOPIC, "a", b"\xff{", 3)])
    kinds = await pool.fetch("select body from outbox")
    assert sorted(json.loads(row["body"])["type"] for row in kinds) == [
        "memoryguard.delivery.conflicted.v1", "memoryguard.delivery.failed.v1",
    ]  # fmt: skip


# --- a restored database, a lost bus -------------------------------------------------------------


async def say(pool: Pool, *numbers: int) -> None:
    """Append events to the outbox; whoever says the same number says another event."""
    async with pool.acquire() as connection, connection.transaction():
        await Outbox(SERVICE).append(connection, [recorded("a", n) for n in numbers])


async def publish(pool: Pool) -> None:
    relay = Relay(pool, PostgresBus(pool), Outbox(SERVICE))
    async with pool.acquire() as connection:
        while await relay.publish_batch(connection):
            continue


async def outbox(pool: Pool) -> list[tuple[object, ...]]:
    rows = await pool.fetch("select event_id, body, counter from outbox order by counter")
    return [tuple(row) for row in rows]


async def bus_bodies(pool: Pool) -> list[bytes]:
    return [bytes(r["body"]) for r in await pool.fetch("select body from bus.record")]


async def forget_since(pool: Pool, counter: int) -> None:
    """What a backup does not know."""
    await pool.execute("delete from outbox where counter > $1", counter)
    await pool.execute("update producer set counter = $1", counter)


async def test_a_restored_outbox_is_what_it_was(pool: Pool) -> None:
    await say(pool, *range(5))
    await publish(pool)
    before = await outbox(pool)
    await forget_since(pool, 2)
    await pool.execute("update outbox set sent_at = null where counter = 2")  # not marked then
    found = await recover(pool, SERVICE, history(pool, EMBEDDED))
    assert (found.said, found.restored, found.last_number) == (5, 4, 5)
    assert (found.missing, found.twice, found.unsent) == (0, 0, 0)
    assert await outbox(pool) == before
    assert await replay.current_generation(pool) == 1
    assert (await recover(pool, SERVICE, history(pool, EMBEDDED))).restored == 0
    await say(pool, 6)
    await publish(pool)
    numbers = [json.loads(body)["producercounter"] for body in await bus_bodies(pool)]
    assert numbers == [1, 2, 3, 4, 5, 6]


async def test_an_empty_database_goes_on_with_the_epoch_of_the_bus(pool: Pool) -> None:
    await say(pool, *range(3))
    await publish(pool)
    before = await outbox(pool)
    epoch = await pool.fetchval("select epoch from producer")
    await pool.execute("truncate outbox")
    await pool.execute("update producer set epoch = 'new', counter = 0")
    assert (await recover(pool, SERVICE, history(pool, EMBEDDED))).last_number == 3
    assert await pool.fetchval("select epoch from producer") == epoch
    assert await outbox(pool) == before


async def test_numbers_that_were_given_twice_are_told_and_no_more_are(pool: Pool) -> None:
    await say(pool, *range(4))
    await publish(pool)
    await forget_since(pool, 2)
    await say(pool, 7)  # started without recovering: number 3 a second time
    await publish(pool)
    await say(pool, 8)
    await pool.execute("update outbox set counter = 4 where counter is null")  # not yet sent
    found = await recover(pool, SERVICE, history(pool, EMBEDDED))
    assert (found.said, found.twice, found.last_number, found.unsent) == (5, 1, 4, 1)
    await publish(pool)
    numbers = [json.loads(body)["producercounter"] for body in await bus_bodies(pool)]
    assert numbers == [1, 2, 3, 4, 3, 5]


async def test_what_neither_bus_nor_database_holds_is_counted(
    pool: Pool, database_url: str
) -> None:
    await say(pool, *range(4))
    await publish(pool)
    await forget_since(pool, 1)
    owner = await database.connect(database_url)
    await owner.execute("delete from bus.record where position = 3")
    await owner.close()
    found = await recover(pool, SERVICE, history(pool, EMBEDDED))
    assert (found.missing, found.last_number) == (1, 4)


async def test_what_is_not_ours_or_not_numbered_is_passed_over(pool: Pool) -> None:
    other = new_event(recorded("a"), source="/memoryguard/api").model_copy(
        update={"producerepoch": "e", "producercounter": 9}
    )
    ours = new_event(recorded("a"), source="/memoryguard/ml")
    await PostgresBus(pool).publish(
        [Record(TOPIC, "a", body) for body in (b"\xff", b"[]", other.to_bytes(), ours.to_bytes())]
    )
    found = await recover(pool, SERVICE, history(pool, EMBEDDED))
    assert (found.said, found.restored, found.last_number) == (0, 0, 0)


@pytest.mark.parametrize("deed", ["recover", "republish"])
async def test_not_while_a_replica_runs(pool: Pool, deed: str) -> None:
    async with pool.acquire() as connection:
        key = lock_key("relay", SERVICE)
        await connection.execute("select pg_advisory_lock($1, $2)", ADVISORY_CLASS, key)
        with pytest.raises(Rejected, match="service_running"):
            if deed == "recover":
                await recover(pool, SERVICE, history(pool, EMBEDDED))
            else:
                await replay.republish(pool, SERVICE)


async def test_a_lost_bus_is_said_again_byte_by_byte(pool: Pool) -> None:
    await say(pool, 1, 2, 3)
    await publish(pool)
    before = await bus_bodies(pool)
    await say(pool, 4)  # has not left yet
    assert await replay.republish(pool, SERVICE) == 3
    await publish(pool)
    bodies = await bus_bodies(pool)
    assert bodies[3:6] == before
    assert json.loads(bodies[6])["producercounter"] == 4


async def test_the_history_ends_and_has_every_topic(pool: Pool) -> None:
    records = [Record(stream.topic, "k", str(n).encode()) for n, stream in enumerate(STREAMS)]
    for _ in range(60):
        await PostgresBus(pool).publish(records)
    assert len(await collect(history(pool, EMBEDDED))) == 60 * len(STREAMS)


async def collect(batches: AsyncIterator[Sequence[Received]]) -> list[Received]:
    return [record async for batch in batches for record in batch]
