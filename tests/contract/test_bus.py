# SPDX-License-Identifier: Apache-2.0
"""One suite for both buses: what the runtime relies on holds on PostgreSQL and on Apache Kafka."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from wires import Wire, kafka_wire, own_kafka_wire, own_postgres_wire, postgres_wire

from memoryguard.common.contracts.event import MAX_EVENT_BYTES, NOBODY
from memoryguard.common.contracts.events import CheckpointSigned
from memoryguard.common.contracts.flow import AUDITED_TOPICS, TOPIC_OF
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime.bus import Bus, Place, Received, Record, Resume
from memoryguard.common.runtime.database import AWAY, RUNTIME_MIGRATIONS, migrate, open_pool
from memoryguard.common.runtime.outbox import Outbox, Relay
from memoryguard.common.runtime.waiting import pause

SCANS = "memoryguard.scans.v1"
VOLUMES = "memoryguard.volumes.v1"
DEADLINE_S = 60.0
KEYS = [f"person-{n}" for n in range(7)]


@pytest_asyncio.fixture(params=["postgres", "kafka"])
async def wire(request: pytest.FixtureRequest, postgres_url: str) -> AsyncGenerator[Wire]:
    """Either bus, with the topics of these tests and nothing in them."""
    if request.param == "postgres":
        opened = postgres_wire(postgres_url)
    else:
        opened = kafka_wire(request.getfixturevalue("kafka_servers"))
    async with opened as wire:
        await wire.make_topics(SCANS, VOLUMES)
        yield wire


def numbered(first: int, count: int, topic: str = SCANS) -> list[Record]:
    """Records whose body is their number, spread over people."""
    return [
        Record(topic, KEYS[n % len(KEYS)], str(n).encode()) for n in range(first, first + count)
    ]


async def read_until(
    bus: Bus,
    enough: Callable[[Sequence[Received]], bool],
    group: str = "group",
    topics: Sequence[str] = (SCANS,),
    pattern: str | None = None,
    resume: Resume | None = None,
    committing: bool = True,
) -> list[Received]:
    """Read as a member of a group until it is enough, and commit if that matters."""
    found: list[Received] = []
    async with (
        asyncio.timeout(DEADLINE_S),
        bus.consumer(group, () if pattern else topics, pattern, resume) as member,
        aclosing(member.batches()) as batches,  # pyright: ignore[reportArgumentType]
    ):
        async for batch in batches:
            if enough(found):  # asking for this batch has committed the one before
                break
            found += batch
            if enough(found):
                return await _committed(bus, batches, found) if committing else found
    return found


async def _committed(
    bus: Bus, batches: AsyncGenerator[Sequence[Received]], found: list[Received]
) -> list[Received]:
    """Ask for one more batch, which commits the last, for as long as a commit may take."""
    try:
        async with asyncio.timeout(2):
            await anext(batches)
    except TimeoutError:
        pass
    return found


def at_least(count: int) -> Callable[[Sequence[Received]], bool]:
    return lambda found: len({record.body for record in found}) >= count


def at(positions: Mapping[Place, int]) -> Resume:
    """A reader that was at these positions."""

    async def resume(places: Sequence[Place]) -> Mapping[Place, int]:
        return {place: positions[place] for place in places if place in positions}

    return resume


def by_place(found: Sequence[Received]) -> dict[Place, list[Received]]:
    places: defaultdict[Place, list[Received]] = defaultdict(list)
    for record in found:
        places[record.place].append(record)
    return dict(places)


def bodies(found: Sequence[Record]) -> list[bytes]:
    return sorted(record.body for record in found)


def first_seen(found: Sequence[Received]) -> dict[str, list[int]]:
    """Numbers per key, each where it was first seen."""
    order: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for record in found:
        order[record.key].setdefault(int(record.body))
    return {key: list(numbers) for key, numbers in order.items()}


async def test_everything_arrives_unchanged_and_in_order_per_key(wire: Wire) -> None:
    bus = await wire.bus()
    for first in range(0, 700, 100):
        await bus.publish(numbered(first, 100))
    odd = Record(SCANS, "Zoë", b"\x00\xff not text \r\n")
    await bus.publish([odd])
    await bus.publish([])
    found = await read_until(bus, at_least(701))
    plain = [r for r in found if r.key != odd.key]
    for key, numbers in first_seen(plain).items():
        assert numbers == [n for n in range(700) if KEYS[n % len(KEYS)] == key]
    (other,) = (r for r in found if r.key == odd.key)
    assert (other.topic, other.body) == (odd.topic, odd.body)


async def test_every_group_gets_everything(wire: Wire) -> None:
    bus, another = await wire.bus(), await wire.bus()
    both = asyncio.gather(
        read_until(bus, at_least(50), "one"), read_until(another, at_least(50), "two")
    )
    await bus.publish(numbered(0, 50))
    for found in await both:
        assert {int(r.body) for r in found} == set(range(50))


async def test_who_joins_late_starts_at_the_earliest(wire: Wire) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 30))
    assert len(await read_until(bus, at_least(30), "early")) == 30
    assert len(await read_until(await wire.bus(), at_least(30), "late")) == 30


async def test_a_batch_that_was_not_committed_comes_again_and_a_committed_one_does_not(
    wire: Wire,
) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 20))
    async with (
        asyncio.timeout(DEADLINE_S),
        bus.consumer("group", [SCANS]) as member,
        aclosing(member.batches()) as batches,  # pyright: ignore[reportArgumentType]
    ):
        lost = await anext(batches)  # taken, but never committed: the member crashes here
        assert lost
    again = await read_until(bus, at_least(20))
    assert {int(r.body) for r in again} == set(range(20))
    await bus.publish(numbered(20, 5))
    new = await read_until(bus, at_least(5))
    assert {int(r.body) for r in new} == set(range(20, 25))


async def test_a_pattern_hears_a_topic_that_is_made_later(wire: Wire) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 5))
    reading = asyncio.create_task(read_until(bus, at_least(9), "audit", pattern=AUDITED_TOPICS))
    brand_new, not_heard = "memoryguard.novelties.v1", "memoryguard.checkpoints.v1"
    await wire.make_topics(brand_new, not_heard)
    await bus.publish(numbered(100, 3, not_heard))
    await bus.publish(numbered(5, 4, brand_new))
    found = await reading
    assert {int(r.body) for r in found} == set(range(9))
    assert {r.topic for r in found} == {SCANS, brand_new}


async def test_who_resumes_behind_what_was_committed_reads_it_again_and_just_that(
    wire: Wire,
) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 40))
    read = by_place(await read_until(bus, at_least(40)))
    halves = {place: records[len(records) // 2 :] for place, records in read.items()}
    positions = {place: records[0].position for place, records in halves.items()}
    missed = [record for records in halves.values() for record in records]
    again = await read_until(bus, at_least(len(missed)), resume=at(positions))
    assert bodies(again) == bodies(missed)
    await bus.publish(numbered(40, 5))
    # What nobody knows goes on where it was committed.
    new = await read_until(bus, at_least(5), resume=at({}), committing=False)
    assert bodies(new) == bodies(numbered(40, 5))


async def test_who_resumes_where_it_ended_repeats_and_misses_nothing(wire: Wire) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 40))
    read = by_place(await read_until(bus, at_least(40), committing=False))
    ends = {place: records[-1].position + 1 for place, records in read.items()}
    await bus.publish(numbered(40, 9))
    # A group that has committed nothing, and would begin at the earliest.
    new = await read_until(bus, at_least(9), "never", resume=at(ends), committing=False)
    assert bodies(new) == bodies(numbered(40, 9))


async def test_a_position_of_a_bus_that_was_lost_leads_to_the_earliest_and_not_to_silence(
    wire: Wire,
) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 20))
    read = by_place(await read_until(bus, at_least(20)))
    beyond = {place: records[-1].position + 2 for place, records in read.items()}
    again = await read_until(bus, at_least(20), resume=at(beyond), committing=False)
    assert bodies(again) == bodies(numbered(0, 20))


async def test_a_topic_that_is_made_later_is_asked_about_too(wire: Wire) -> None:
    bus, later = await wire.bus(), "memoryguard.novelties.v1"
    asked: list[Place] = []

    async def resume(places: Sequence[Place]) -> Mapping[Place, int]:
        asked.extend(places)
        return dict.fromkeys(places, 0)

    await bus.publish(numbered(0, 5))
    reading = asyncio.create_task(
        read_until(
            bus, at_least(9), "audit", pattern=AUDITED_TOPICS, resume=resume, committing=False
        )
    )
    await wire.make_topics(later)
    await bus.publish(numbered(5, 4, later))
    found = await reading
    assert {int(r.body) for r in found} == set(range(9))
    assert {(SCANS, 0), (later, 0)} <= set(asked)
    assert set(by_place(found)) <= set(asked)


async def test_who_does_not_know_where_it_was_reads_nothing(wire: Wire) -> None:
    bus = await wire.bus()
    await bus.publish(numbered(0, 5))

    async def resume(_: Sequence[Place]) -> Mapping[Place, int]:
        raise Unavailable("database_away", "positions cannot be read just now")

    with pytest.raises(Unavailable, match="database_away"):
        await read_until(bus, at_least(1), resume=resume)


async def test_the_largest_event_passes(wire: Wire) -> None:
    bus = await wire.bus()
    large = Record(SCANS, KEYS[0], b"x" * (MAX_EVENT_BYTES + 200))  # with the relay's two fields
    await bus.publish([large, *numbered(0, 3), large])
    found = await read_until(bus, lambda records: len(records) >= 5)
    assert sorted(len(r.body) for r in found) == [1, 1, 1, len(large.body), len(large.body)]


async def test_too_large_an_event_is_refused_before_the_outbox_and_the_rest_goes_out(
    wire: Wire, database_url: str
) -> None:
    checkpoints = TOPIC_OF[CheckpointSigned]
    await wire.make_topics(checkpoints)
    bus, outbox = await wire.bus(), Outbox("audit")
    async with await open_pool(database_url, "audit") as pool:
        await migrate(pool, "audit", [RUNTIME_MIGRATIONS])
        for size in (2_000_000, 890_000, 10):
            fact = CheckpointSigned(subject_id=NOBODY, size=size, note="n" * size)
            async with pool.acquire() as connection, connection.transaction():
                if size > MAX_EVENT_BYTES:
                    with pytest.raises(Rejected, match="event_too_large"):
                        await outbox.append(connection, [fact])
                else:
                    await outbox.append(connection, [fact])
        await Relay(pool, bus, outbox).drain()
    found = await read_until(bus, lambda records: len(records) >= 2, topics=[checkpoints])
    assert [json.loads(r.body)["data"]["size"] for r in found] == [890_000, 10]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgres", "kafka"])
async def test_a_killed_and_restarted_server_loses_nothing_under_load(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "postgres":
        opened = own_postgres_wire(tmp_path / "server")
    else:
        opened = own_kafka_wire(request.getfixturevalue("kafka_jars"), tmp_path / "server")
    total = 3000
    async with opened as wire:
        await wire.make_topics(SCANS)
        bus = await wire.bus()
        confirmed = asyncio.Event()
        found: list[Received] = []

        async def publish() -> None:
            """As the relay does: what was not confirmed is said again, all of it."""
            for first in range(0, total, 20):
                while True:
                    try:
                        await bus.publish(numbered(first, 20))
                        break
                    except AWAY:
                        await asyncio.sleep(0.1)
                if first >= total // 3:
                    confirmed.set()

        async def consume() -> None:
            """As the feeder does: join again when the bus was away."""
            while True:
                try:
                    async with bus.consumer("group", [SCANS]) as member:
                        async for batch in member.batches():
                            found.extend(batch)
                except AWAY:
                    await pause(0.1)

        consuming = asyncio.create_task(consume())
        publishing = asyncio.create_task(publish())
        await confirmed.wait()
        await wire.kill()
        assert not publishing.done(), "the load had ended before the server was killed"
        await wire.start()
        async with asyncio.timeout(120):
            await publishing
            while not at_least(total)(found):
                assert not consuming.done(), consuming
                await asyncio.sleep(0.05)
        consuming.cancel()
        await asyncio.wait([consuming])
    for key, numbers in first_seen(found).items():
        assert numbers == [n for n in range(total) if KEYS[n % len(KEYS)] == key]
