# SPDX-License-Identifier: Apache-2.0
"""The runtime's promises, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import pytest
import pytest_asyncio

from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.events import HealthRecorded, ScanErased
from memoryguard.common.errors import Corrupt, Rejected, Unavailable
from memoryguard.common.runtime import database, inbox
from memoryguard.common.runtime.bus import Received, Record
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.feeder import Feeder
from memoryguard.common.runtime.outbox import Outbox, Relay
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.waiting import wait_until_set
from memoryguard.common.runtime.worker import Worker

SERVICE = "ml"
TOPIC = "memoryguard.health.v1"


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await database.open_pool(database_url, SERVICE) as pool:
        await database.migrate(pool, SERVICE, [database.RUNTIME_MIGRATIONS])
        yield pool


def recorded(subject: str, number: int = 0) -> HealthRecorded:
    return HealthRecorded(
        subject_id=subject,
        user_id="u",
        recorded_on="2026-01-01",  # pyright: ignore[reportArgumentType]
        metrics={"moca": float(number)},
        provenance="synthetic",
    )


def received(fact: Fact, position: int = 1) -> Received:
    event = new_event(fact, source="/test")
    return Received(TOPIC, event.partitionkey, event.to_bytes(), position)


async def put(pool: Pool, *records: Received) -> None:
    envelopes = [inbox.open_envelope(record) for record in records]
    async with pool.acquire() as connection, connection.transaction():
        assert await inbox.store(connection, [e for e in envelopes if e]) == []


def worker_of(pool: Pool, handler: Handler, fact: type[Fact] = HealthRecorded) -> Worker:
    return Worker(Service(SERVICE, {fact: handler}), pool, Outbox(SERVICE))


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def run_until(worker: Worker, condition: Callable[[], Awaitable[bool]]) -> None:
    task = asyncio.create_task(worker.run())
    try:
        await until(condition)
    finally:
        worker.stop()
        await task


async def states(pool: Pool) -> list[tuple[str, str, int]]:
    rows = await pool.fetch("select key, state, attempts from inbox order by position")
    return [(row["key"], row["state"], row["attempts"]) for row in rows]


async def test_the_same_event_twice_is_one_row_and_other_bytes_are_a_conflict(pool: Pool) -> None:
    record = received(recorded("a"))
    forged = json.loads(record.body)
    forged["data"]["metrics"]["moca"] = 30.0
    envelopes = [inbox.open_envelope(record)] * 2
    async with pool.acquire() as connection:
        assert await inbox.store(connection, [e for e in envelopes if e]) == []
        other = inbox.open_envelope(Received(TOPIC, "a", json.dumps(forged).encode(), 2))
        assert other is not None
        assert await inbox.store(connection, [other]) == [other]
    assert len(await states(pool)) == 1


async def test_a_subject_is_in_order_and_subjects_run_side_by_side(pool: Pool) -> None:
    await put(pool, *(received(recorded(s, n)) for n in range(3) for s in ("a", "b")))
    first = await inbox.lease(pool, 10)
    assert [row.key for row in first] == ["a", "b"]
    assert await inbox.lease(pool, 10) == []
    async with pool.acquire() as connection, connection.transaction():
        await inbox.finish(connection, first[0])
    assert [row.key for row in await inbox.lease(pool, 10)] == ["a"]


async def test_a_lost_lease_commits_nothing(pool: Pool) -> None:
    await put(pool, received(recorded("a")))
    (row,) = await inbox.lease(pool, 1)
    await pool.execute("update inbox set leased_until = now() - interval '1 second'")
    (again,) = await inbox.lease(pool, 1)
    assert again.fence == row.fence + 1
    handled = worker_of(pool, Handler(record=_echo))
    with pytest.raises(inbox.LostLease):
        await handled.handle(row)
    assert await pool.fetchval("select count(*) from outbox") == 0
    await handled.handle(again)
    assert await pool.fetchval("select count(*) from outbox") == 1


async def _echo(event: Event, transaction: Connection) -> Sequence[Fact]:
    return [event.data]


async def test_answers_have_derived_ids_so_a_replay_adds_nothing(pool: Pool) -> None:
    await put(pool, received(recorded("a")))
    (row,) = await inbox.lease(pool, 1)
    worker = worker_of(pool, Handler(record=_echo))
    await worker.handle(row)
    before = await pool.fetchval("select event_id from outbox")
    await pool.execute("update inbox set state = 'leased', body = $1", row.body)
    await worker.handle(row)
    assert await pool.fetch("select event_id from outbox") == [(before,)]


async def test_rejected_is_dead_with_a_letter_and_releases_its_subject(pool: Pool) -> None:
    async def reject(event: Event) -> Sequence[Fact]:
        raise Rejected("never", "cannot work")

    await put(pool, received(recorded("a")), received(recorded("a", 2)))
    await run_until(worker_of(pool, Handler(transform=reject)), lambda: _all(pool, "dead"))
    bodies = [json.loads(r["body"]) for r in await pool.fetch("select body from outbox")]
    assert [b["data"]["code"] for b in bodies] == ["never", "never"]
    assert await inbox.redrive(pool) == 2
    await run_until(worker_of(pool, Handler(record=_echo)), lambda: _all(pool, "done"))


async def _all(pool: Pool, state: str) -> bool:
    found = await states(pool)
    return bool(found) and all(row[1] == state for row in found)


async def test_unavailable_waits_without_counting_and_blocks_only_its_subject(pool: Pool) -> None:
    async def away_for_a(event: Event) -> Sequence[Fact]:
        if event.partitionkey == "a":
            raise Unavailable("away", "not now")
        return []

    await put(pool, received(recorded("a")), received(recorded("a", 2)), received(recorded("b")))

    async def b_done() -> bool:
        found = await states(pool)
        return found[2][1] == "done" and found[0][1] == "ready"

    await run_until(worker_of(pool, Handler(transform=away_for_a)), b_done)
    assert [(r[1], r[2]) for r in (await states(pool))[:2]] == [("ready", 0), ("ready", 0)]


async def test_a_bug_is_tried_three_times_then_dead(pool: Pool) -> None:
    calls: list[str] = []

    async def bug(event: Event) -> Sequence[Fact]:
        calls.append(event.id)
        await pool.execute("update inbox set not_before = now()")
        raise ZeroDivisionError

    async def hurry() -> bool:
        await pool.execute("update inbox set not_before = now() where state = 'ready'")
        return await _all(pool, "dead")

    await put(pool, received(recorded("a")))
    await run_until(worker_of(pool, Handler(transform=bug)), hurry)
    assert len(calls) == 3


async def test_corrupt_stops_the_worker(pool: Pool) -> None:
    async def contradiction(event: Event) -> Sequence[Fact]:
        raise Corrupt("torn", "two truths")

    await put(pool, received(recorded("a")))
    with pytest.raises(ExceptionGroup) as raised:
        await worker_of(pool, Handler(transform=contradiction)).run()
    assert raised.group_contains(Corrupt)


async def test_nothing_is_recorded_about_an_erased_person(pool: Pool) -> None:
    await put(pool, received(ScanErased(subject_id="a")), received(recorded("a")))
    service = Service(SERVICE, {ScanErased: Handler(), HealthRecorded: Handler(record=_echo)})
    await run_until(Worker(service, pool, Outbox(SERVICE)), lambda: _all(pool, "done"))
    assert await pool.fetchval("select count(*) from outbox") == 0


async def test_what_was_answered_about_an_erased_person_is_forgotten(pool: Pool) -> None:
    for subject_id in ("a", "b"):
        await pool.execute(
            "insert into keyed_answer (answer_key, request, sealed, subject_id)"
            " values ($1, 'x', 'x', $1)",
            subject_id,
        )
    await put(pool, received(ScanErased(subject_id="a")))
    service = Service(SERVICE, {ScanErased: Handler()})
    await run_until(Worker(service, pool, Outbox(SERVICE)), lambda: _all(pool, "done"))
    assert await pool.fetchval("select string_agg(subject_id, '') from keyed_answer") == "b"


async def test_the_relay_numbers_without_gaps_and_repeats_the_same_number(pool: Pool) -> None:
    bus, outbox = PostgresBus(pool), Outbox(SERVICE)
    async with pool.acquire() as connection, connection.transaction():
        await outbox.append(connection, [recorded("a", n) for n in range(3)])
    relay = Relay(pool, bus, outbox)
    async with pool.acquire() as connection:
        assert await relay.publish_batch(connection) == 3
        relay = Relay(pool, bus, outbox)  # killed before it could mark them
        assert await relay.publish_batch(connection) == 3
        assert await relay.publish_batch(connection) == 0
        assert await connection.fetchval("select bool_and(sent_at is not null) from outbox")
    bodies = [json.loads(r["body"]) for r in await pool.fetch(
        "select body from bus.record order by position")]  # fmt: skip
    assert [b["producercounter"] for b in bodies] == [1, 2, 3, 1, 2, 3]
    assert bodies[:3] == bodies[3:]


async def test_a_late_group_starts_at_the_earliest_and_a_pattern_finds_new_topics(
    pool: Pool,
) -> None:
    bus = PostgresBus(pool)
    await bus.publish([Record("memoryguard.a.v1", "k", b"1"), Record("other", "k", b"x")])
    seen: list[bytes] = []
    async with bus.consumer("late", pattern=r"^memoryguard\.[a-z]+\.v1$") as consumer:
        async for batch in consumer.batches():
            seen += [record.body for record in batch]
            if len(seen) == 1:
                await bus.publish([Record("memoryguard.b.v1", "k", b"2")])
            if len(seen) == 2:
                break
    assert seen == [b"1", b"2"]
    async with bus.consumer("late", topics=["memoryguard.b.v1"]) as consumer:
        async for batch in consumer.batches():  # the last batch was not committed: it comes again
            assert [record.body for record in batch] == [b"2"]
            break


async def test_what_cannot_be_read_becomes_a_dead_letter(pool: Pool) -> None:
    service = Service(SERVICE, {HealthRecorded: Handler(record=_echo)})
    outbox = Outbox(SERVICE)
    feeder = Feeder(service, pool, PostgresBus(pool), outbox, Worker(service, pool, outbox))
    await feeder.store([Received(TOPIC, "a", b"\xff{", 1), received(recorded("b"), 2)])
    assert [row[0] for row in await states(pool)] == ["b"]
    (letter,) = await pool.fetch("select body from outbox")
    assert json.loads(letter["body"])["data"]["code"] == "malformed_event"


async def test_a_loop_that_waits_ends_when_cancelled_in_the_moment_of_its_event() -> None:
    event = asyncio.Event()

    async def endless() -> None:
        while True:
            event.clear()
            await wait_until_set(event, 0.2)

    for _ in range(50):
        task = asyncio.create_task(endless())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        await asyncio.wait([task], timeout=2)
        assert task.cancelled()


def test_too_large_an_event_is_refused_before_the_outbox() -> None:
    fact = recorded("a").model_copy(update={"provenance": "x" * 900_000})
    with pytest.raises(Rejected, match="event_too_large"):
        new_event(fact, source="/test")
