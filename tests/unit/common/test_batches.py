# SPDX-License-Identifier: Apache-2.0
"""Rows that share a transaction end as each would have ended alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

import pytest
import pytest_asyncio
from test_runtime import SERVICE, put, received, recorded, run_until, worker_of

from memoryguard.common.contracts.event import Event, Fact, decode, encode, new_event
from memoryguard.common.contracts.events import HealthRecorded, ScanErased
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Corrupt, Rejected
from memoryguard.common.runtime import database, inbox
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.outbox import Outbox, Relay, numbered
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.worker import RECORDS, Worker

PEOPLE = [f"p{n:02}" for n in range(50)]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    async with await database.open_pool(database_url, SERVICE) as pool:
        await database.migrate(pool, SERVICE, [database.RUNTIME_MIGRATIONS])
        await pool.execute("create table effect (n bigserial, key text, moca float, tx bigint)")
        yield pool


async def note(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Leave an effect that tells its transaction, and answer."""
    fact = event.data
    assert isinstance(fact, HealthRecorded)
    await transaction.execute(
        "insert into effect (key, moca, tx) values ($1, $2, txid_current())",
        fact.subject_id, fact.metrics["moca"],
    )  # fmt: skip
    return [fact]


def note_unless(poison: str, error: Exception) -> Handler:
    async def record(event: Event, transaction: Connection) -> Sequence[Fact]:
        facts = await note(event, transaction)
        if event.partitionkey == poison:
            raise error
        return facts

    return Handler(record=record)


async def work_off(pool: Pool, handler: Handler) -> None:
    """Work until nothing is ready or leased but what is backing off."""

    async def settled() -> bool:
        return not await pool.fetchval(
            "select count(*) from inbox where state = 'leased'"
            " or state = 'ready' and not_before <= now()"
        )

    await run_until(worker_of(pool, handler), settled)


async def ended(pool: Pool) -> dict[str, str]:
    rows = await pool.fetch("select key, state from inbox order by position")
    return {row["key"]: row["state"] for row in rows}


async def answered(pool: Pool) -> list[str]:
    """Whom answers are about, notices of failures aside."""
    rows = await pool.fetch("select key, body from outbox order by position")
    return [r["key"] for r in rows if json.loads(r["body"])["type"] == HealthRecorded.type]


async def effects(pool: Pool) -> list[str]:
    return [row["key"] for row in await pool.fetch("select key from effect order by n")]


async def test_rows_that_are_ready_together_share_one_transaction(pool: Pool) -> None:
    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    await work_off(pool, Handler(record=note))
    assert await effects(pool) == await answered(pool) == PEOPLE
    assert await pool.fetchval("select count(distinct tx) from effect") == 1


async def test_transforms_run_side_by_side_and_are_all_committed(pool: Pool) -> None:
    together = asyncio.Barrier(5)

    async def meet(event: Event) -> Sequence[Fact]:
        await together.wait()  # passes only when five are under way
        for _ in range(int(event.partitionkey[1:]) % 7):
            await asyncio.sleep(0)  # and they end at different moments
        return [event.data]

    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    service = Service(SERVICE, {HealthRecorded: Handler(transform=meet)}, concurrency=5)

    async def done() -> bool:
        return set((await ended(pool)).values()) == {"done"}

    await run_until(Worker(service, pool, Outbox(SERVICE)), done)
    assert sorted(await answered(pool)) == PEOPLE


@pytest.mark.parametrize(
    ("error", "state"), [(Rejected("never", "cannot"), "dead"), (ZeroDivisionError(), "ready")]
)
async def test_one_poison_row_of_fifty_fails_alone(
    pool: Pool, error: Exception, state: str
) -> None:
    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    await work_off(pool, note_unless("p17", error))
    others = [each for each in PEOPLE if each != "p17"]
    assert await ended(pool) == dict.fromkeys(PEOPLE, "done") | {"p17": state}
    assert await effects(pool) == others  # each once: what was undone left nothing
    assert await answered(pool) == others
    # Halving: fewer transactions than one for each.
    assert await pool.fetchval("select count(distinct tx) from effect") < 10


def note_all(*, refusing: str = "") -> tuple[Handler, list[list[str]]]:
    """Note everybody with one call; the list holds whom each call was about."""
    calls: list[list[str]] = []

    async def record_all(events: Sequence[Event], transaction: Connection) -> None:
        calls.append([event.partitionkey for event in events])
        for event in events:
            await note(event, transaction)
        if refusing in calls[-1]:
            raise Rejected("never", "one of them cannot")

    return Handler(record_all=record_all), calls


async def test_what_is_recorded_together_is_recorded_in_one_call(pool: Pool) -> None:
    handler, calls = note_all()
    await pool.execute("insert into tombstone (subject_id) values ('p02')")
    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    await work_off(pool, handler)
    kept = [each for each in PEOPLE if each != "p02"]
    assert calls == [kept]
    assert await effects(pool) == kept
    assert await answered(pool) == []
    assert await ended(pool) == dict.fromkeys(PEOPLE, "done")


async def test_one_at_fault_among_those_recorded_together_is_refused_alone(pool: Pool) -> None:
    handler, calls = note_all(refusing="p17")
    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    await work_off(pool, handler)
    assert await ended(pool) == dict.fromkeys(PEOPLE, "done") | {"p17": "dead"}
    assert await effects(pool) == [each for each in PEOPLE if each != "p17"]
    assert ["p17"] in calls
    assert len(calls) < 20  # halving, not one call for each


async def test_a_transforms_answers_and_the_common_record_are_one_transaction(pool: Pool) -> None:
    together, _ = note_all()

    async def answer(event: Event) -> Sequence[Fact]:
        return [event.data]

    await put(pool, *(received(recorded(each)) for each in PEOPLE[:3]))
    await work_off(pool, Handler(transform=answer, record_all=together.record_all))
    assert sorted(await effects(pool)) == sorted(await answered(pool)) == PEOPLE[:3]


async def test_a_constraint_that_fails_undoes_only_its_own_row(pool: Pool) -> None:
    await pool.execute("create unique index on effect (key)")
    await pool.execute("insert into effect (key) values ('p03')")
    await put(pool, *(received(recorded(each)) for each in PEOPLE[:8]))
    await work_off(pool, Handler(record=note))
    assert await ended(pool) == dict.fromkeys(PEOPLE[:8], "done") | {"p03": "ready"}
    assert sorted(await answered(pool)) == [each for each in PEOPLE[:8] if each != "p03"]


async def test_a_lease_lost_by_one_row_commits_the_others_and_not_it(pool: Pool) -> None:
    taken = asyncio.Event()

    async def lose(event: Event, transaction: Connection) -> Sequence[Fact]:
        if event.partitionkey == "p05" and not taken.is_set():
            taken.set()  # another worker takes the row over while we are at it
            await pool.execute(
                "update inbox set fence = fence + 1, leased_until = now() + interval '1 hour'"
                " where key = 'p05'"
            )
        return await note(event, transaction)

    await put(pool, *(received(recorded(each)) for each in PEOPLE[:10]))

    async def others_done() -> bool:
        found = await ended(pool)
        return sum(state == "done" for state in found.values()) == 9

    await run_until(worker_of(pool, Handler(record=lose)), others_done)
    assert (await ended(pool))["p05"] == "leased"
    others = [each for each in PEOPLE[:10] if each != "p05"]
    assert sorted(await effects(pool)) == sorted(await answered(pool)) == others


async def test_corrupt_in_a_batch_stops_the_worker(pool: Pool) -> None:
    await put(pool, *(received(recorded(each)) for each in PEOPLE[:4]))
    with pytest.raises(ExceptionGroup) as raised:
        await worker_of(pool, note_unless("p03", Corrupt("torn", "two truths"))).run()
    assert raised.group_contains(Corrupt)
    assert "p03" not in await answered(pool)


async def test_each_person_stays_in_order_whatever_fails(pool: Pool) -> None:
    calls: dict[str, int] = {}

    async def third_try(event: Event, transaction: Connection) -> Sequence[Fact]:
        facts = await note(event, transaction)
        calls[event.id] = calls.get(event.id, 0) + 1
        if sum(map(ord, event.id)) % 3 == 0 and calls[event.id] < 4:
            raise ZeroDivisionError
        return facts

    people = PEOPLE[:6]
    await put(pool, *(received(recorded(each, n)) for n in range(5) for each in people))

    async def done() -> bool:
        await pool.execute("update inbox set not_before = now(), attempts = 0 where state='ready'")
        return await pool.fetchval("select bool_and(state = 'done') from inbox")  # pyright: ignore[reportReturnType]

    await run_until(worker_of(pool, Handler(record=third_try)), done)
    for each in people:
        rows = await pool.fetch("select moca from effect where key = $1 order by n", each)
        assert [row["moca"] for row in rows] == [0, 1, 2, 3, 4]
    bodies = [json.loads(r["body"]) for r in await pool.fetch(
        "select body from outbox order by position")]  # fmt: skip
    for each in people:
        mine = [b["data"]["metrics"]["moca"] for b in bodies if b["partitionkey"] == each]
        assert mine == [0, 1, 2, 3, 4]


async def test_tombstones_hold_in_a_batch(pool: Pool) -> None:
    await pool.execute("insert into tombstone (subject_id) values ('p01')")
    await put(
        pool,
        *(received(fact) for fact in (recorded("p00"), recorded("p01"))),
        received(ScanErased(subject_id="p02")),
    )
    service = Service(SERVICE, {ScanErased: Handler(), HealthRecorded: Handler(record=note)})
    worker = Worker(service, pool, Outbox(SERVICE))

    async def done() -> bool:
        return set((await ended(pool)).values()) == {"done"}

    await run_until(worker, done)
    await put(pool, received(recorded("p02"), 9), received(recorded("p03"), 10))
    await run_until(Worker(service, pool, Outbox(SERVICE)), done)
    assert await answered(pool) == ["p00", "p03"]


async def test_a_batch_done_again_gives_the_same_ids(pool: Pool) -> None:
    await put(pool, *(received(recorded(each)) for each in PEOPLE))
    bodies = await pool.fetch("select position, body from inbox")
    await work_off(pool, Handler(record=note))
    before = await pool.fetch("select event_id from outbox order by position")
    for row in bodies:
        await pool.execute(
            "update inbox set state = 'ready', attempts = 0, body = $2 where position = $1",
            row["position"], row["body"],
        )  # fmt: skip
    await work_off(pool, Handler(record=note))
    assert len(await effects(pool)) == 2 * len(PEOPLE)
    assert await pool.fetch("select event_id from outbox order by position") == before


async def test_replicas_that_have_one_person_in_hand_record_one_after_the_other(pool: Pool) -> None:
    """Two topics may bring two events of a person to two replicas in one moment."""
    inside, first_is_in = 0, asyncio.Event()

    async def alone(event: Event, transaction: Connection) -> Sequence[Fact]:
        nonlocal inside
        inside += 1
        assert inside == 1, "two transactions record about one person side by side"
        seen = await transaction.fetchval("select count(*) from effect")
        await transaction.execute("insert into effect (key, moca) values ($1, $2)", "p", seen)
        first_is_in.set()
        await transaction.fetchval("select pg_sleep(0.1)")  # time for the other to come in
        inside -= 1
        return []

    await put(pool, received(recorded("p", 1.0)), received(recorded("p", 2.0)))
    await pool.execute("update inbox set state = 'leased', fence = 1, leased_until = 'infinity'")
    rows = [inbox.Row(**dict(row)) for row in await pool.fetch(_ROWS)]
    one, two = (worker_of(pool, Handler(record=alone)) for _ in range(2))
    await asyncio.gather(one.handle(rows[0]), two.handle(rows[1]))
    assert first_is_in.is_set()
    assert sorted(r["moca"] for r in await pool.fetch("select moca from effect")) == [0.0, 1.0]


_ROWS = """
select position, topic, source, event_id, type, key, body, attempts, fence from inbox
order by position
"""


async def test_what_an_earlier_process_left_is_worked_off_without_waiting(pool: Pool) -> None:
    """Events of one person come one by one; each must call for the next, not the clock."""
    await put(pool, *(received(recorded("p", float(n))) for n in range(30)))
    await pool.execute("update inbox set attempts = 1")  # they were in hand when it was killed
    began = asyncio.get_running_loop().time()
    await work_off(pool, Handler(record=note))
    assert len(await effects(pool)) == 30
    assert asyncio.get_running_loop().time() - began < 10, "a second each: the worker slept"


async def test_a_row_leased_before_is_leased_with_no_other_such_row(pool: Pool) -> None:
    await put(pool, *(received(recorded(each)) for each in PEOPLE[:4]))
    await inbox.lease(pool, 3)
    await pool.execute("update inbox set leased_until = now() - interval '1 s' where attempts > 0")
    leases = [[row.key for row in await inbox.lease(pool, 10)] for _ in range(4)]
    assert leases == [["p00", "p03"], ["p01"], ["p02"], []]


async def test_leases_are_of_the_types_asked_for(pool: Pool) -> None:
    await put(pool, received(recorded("p00")), received(ScanErased(subject_id="p01")))
    kinds = [HealthRecorded.type]
    assert [row.key for row in await inbox.lease(pool, 9, kinds, among=False)] == ["p01"]
    assert [row.key for row in await inbox.lease(pool, 9, kinds, among=True)] == ["p00"]


async def test_two_relays_number_without_gaps(pool: Pool) -> None:
    bus, count = PostgresBus(pool), 3 * RECORDS
    outboxes = [Outbox(SERVICE), Outbox(SERVICE)]
    relays = [asyncio.create_task(Relay(pool, bus, outbox).run()) for outbox in outboxes]
    for n in range(count):
        async with pool.acquire() as connection, connection.transaction():
            await outboxes[n % 2].append(connection, [recorded("a", n)])
        outboxes[n % 2].wake()
        if n == count // 2:
            relays[0].cancel()  # whichever holds the lock, the other goes on alone

    async def all_sent() -> bool:
        return not await pool.fetchval("select count(*) from outbox where sent_at is null")

    async with asyncio.timeout(20):
        while not await all_sent():
            await asyncio.sleep(0.01)
    relays[1].cancel()
    await asyncio.wait(relays)
    rows = await pool.fetch("select body from bus.record order by position")
    counters = [json.loads(row["body"])["producercounter"] for row in rows]
    assert sorted(set(counters)) == list(range(1, count + 1))


def test_a_number_is_put_where_canonical_json_has_it() -> None:
    hostile = ',"source":"/x"}\\ " \u2028'
    fact = recorded("a").model_copy(update={"user_id": hostile, "provenance": hostile})
    for event in (
        new_event(fact, source="/test", traceparent=hostile),
        new_event(recorded("a"), source="/test"),
    ):
        body = numbered(event.to_bytes(), "epoch", 7)
        document = {**json.loads(event.to_bytes()), "producerepoch": "epoch", "producercounter": 7}
        assert body == encode(document)
        assert decode(body, FACTS).producercounter == 7
