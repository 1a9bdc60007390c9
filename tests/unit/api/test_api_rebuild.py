# SPDX-License-Identifier: Apache-2.0
"""The read model made again from a real bus, beside the one that serves."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import api_facts as say
import pytest
from test_api_projection import everything

from memoryguard.api.service import HANDLERS, PROJECTION
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, derived_id
from memoryguard.common.contracts.flow import TOPIC_OF, heard_by
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import replay
from memoryguard.common.runtime.beside import Made, Projection, Told, make_beside, waves
from memoryguard.common.runtime.bus import Bus, Record
from memoryguard.common.runtime.bus_kafka import KafkaBus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.feeder import Feeder
from memoryguard.common.runtime.history import opened
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.runtime.worker import Worker

if TYPE_CHECKING:
    from conftest import Api

API = Projection("api", PROJECTION, HANDLERS)
TOPICS = sorted(set(heard_by("api").values()))
BATCH_RECORDS = 20
PEOPLE = 20

Rows = dict[str, list[tuple[object, ...]]]


def told_nobody(done: int, there: int) -> None:
    pass


def of_person(number: int) -> list[Event]:
    """Everything said about one more scan, of one more person, at other times."""
    subject, scan, user = (derived_id(what, number) for what in ("subject", "scan", "user"))

    def other(event: Event) -> Event:
        named = {"subject_id": subject, "scan_id": scan, "user_id": user}
        fields = {k: v for k, v in named.items() if k in type(event.data).model_fields}
        data = event.data.model_copy(update=fields)
        return event.model_copy(
            update={"id": derived_id(event.id, number), "partitionkey": subject, "data": data}
        )

    return [other(event) for event in everything()]


class Site:
    """A service that hears a bus, with two replicas at work."""

    def __init__(self, api: Api, bus: Bus, kafka: KafkaSettings) -> None:
        self.pool, self.bus, self.kafka = api.platform.pool, bus, kafka
        self._api = api

    async def say(self, events: Sequence[Event]) -> None:
        await self.bus.publish(
            [
                Record(TOPIC_OF[type(each.data)], each.partitionkey, each.to_bytes())
                for each in events
            ]
        )

    async def rows(self) -> Rows:
        return {
            table: [tuple(r) for r in await self.pool.fetch(f"select * from {table} order by 1, 2")]
            for table in PROJECTION
        }

    async def rebuild(self, told: Told = told_nobody) -> Made:
        async with opened(self.pool, self.kafka, TOPICS, BATCH_RECORDS) as history:
            return await make_beside(self.pool, API, history, told)

    async def heard(self, count: int) -> None:
        """Wait until so many events are handled."""
        await until(lambda: self._handled(count))

    async def _handled(self, count: int) -> bool:
        done = await self.pool.fetchval("select count(*) from inbox where state in ('done','dead')")
        return bool(done >= count)

    @asynccontextmanager
    async def replicas(self) -> AsyncGenerator[None]:
        loops: list[asyncio.Task[None]] = []
        for _ in range(2):
            outbox = self._api.platform.outbox
            worker = Worker(self._api.service, self.pool, outbox)
            feeder = Feeder(self._api.service, self.pool, self.bus, outbox, worker)
            loops += [asyncio.create_task(worker.run()), asyncio.create_task(feeder.run())]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture(params=["embedded", "kafka"])
def servers(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("kafka_servers") if request.param == "kafka" else ""


@pytest.fixture
async def site(servers: str, api: Api) -> AsyncGenerator[Site]:
    if not servers:
        yield Site(api, PostgresBus(api.platform.pool), KafkaSettings(servers=""))
        return
    prefix = f"t{uuid.uuid4().hex[:10]}."
    kafka = KafkaSettings(servers=servers, prefix=prefix, partitions=2, session_timeout_s=2.0)
    await create_topics(kafka)
    async with KafkaBus(kafka) as bus:
        yield Site(api, bus, kafka)


async def test_it_serves_while_it_is_rebuilt_and_the_result_is_equal(site: Site) -> None:
    people = [of_person(n) for n in range(PEOPLE)]
    late = of_person(PEOPLE)
    said = [event for events in people for event in events]
    await site.say(said)
    served: list[int] = []
    saying: list[asyncio.Task[None]] = []

    async def read_on() -> None:
        while True:
            served.append(await site.pool.fetchval("select count(*) from scan"))
            await asyncio.sleep(0)

    def told(done: int, there: int) -> None:
        assert done <= there
        if not saying:  # somebody's events come in the middle
            saying.append(asyncio.create_task(site.say(late)))

    async with site.replicas():
        await site.heard(len(said))
        before = await site.rows()
        assert all(before[table] for table in ("scan", "scan_fact", "health"))
        reading = asyncio.create_task(read_on())
        try:
            made = await site.rebuild(told)
        finally:
            reading.cancel()
            await asyncio.wait([reading, *saying])
        await site.heard(len(said) + len(late))
        after = await site.rows()
        again = await site.rebuild()
    assert served and min(served) >= PEOPLE  # at no moment was anything missing
    assert made.passed_over == 0
    new = derived_id("scan", PEOPLE), derived_id("user", PEOPLE)
    for table, rows in after.items():
        assert [row for row in rows if row[0] not in new] == before[table]
    assert any(row[0] in new for row in after["scan"])
    assert (again.rows_exchanged, again.read) == (0, len(said) + len(late))
    assert await site.rows() == after


async def test_what_is_wrong_is_put_right_and_nothing_else_is_touched(site: Site) -> None:
    said = [event for n in range(3) for event in of_person(n)]
    await site.say(said)
    async with site.replicas():
        await site.heard(len(said))
    before = await site.rows()
    grants = await site.pool.fetch("select * from access_grant order by 1, 2")
    await site.pool.execute("update scan set created_at = now() where user_id = $1", _user(0))
    await site.pool.execute("delete from scan where user_id = $1", _user(1))
    await site.pool.execute("update scan_fact set data = '{}' where kind = 'scored'")
    await site.pool.execute("insert into scan values ('never', 's', 'said', now(), now())")
    await site.pool.execute("update access_grant set granted = false")
    made = await site.rebuild()
    assert await site.rows() == before
    assert made.rows_exchanged < 2 * sum(map(len, before.values()))
    after = await site.pool.fetch("select * from access_grant order by 1, 2")
    assert len(after) == len(grants) and not any(row["granted"] for row in after)


def _user(number: int) -> str:
    return derived_id("user", number)


async def test_it_may_be_interrupted_and_begun_again_but_not_twice_at_once(site: Site) -> None:
    said = [event for n in range(PEOPLE) for event in of_person(n)]
    await site.say(said)
    begun = asyncio.Event()
    rebuilding = asyncio.create_task(site.rebuild(lambda done, there: begun.set()))
    await begun.wait()
    with pytest.raises(Rejected, match="rebuild_running"):
        await site.rebuild()
    rebuilding.cancel()
    await asyncio.wait([rebuilding])
    assert rebuilding.cancelled()
    assert not any((await site.rows()).values())
    assert not await site.pool.fetchval("select count(*) from pg_tables where tableowner = user"
                                        " and schemaname like 'pg_temp%'")  # fmt: skip
    made = await site.rebuild()
    assert made.events == made.read == len(said)
    assert len((await site.rows())["scan"]) == PEOPLE


async def test_a_bus_that_lost_something_is_not_the_whole_story(site: Site) -> None:
    async with site.replicas():
        await site.say(of_person(0))
        await site.heard(len(of_person(0)))
    before = await site.rows()
    await site.pool.execute(
        "insert into inbox (topic, source, event_id, type, key, digest, state)"
        " values ('t', 's', 'lost', $1, 'k', '', 'done')",
        type(say.received()).type,
    )
    with pytest.raises(Rejected, match="bus_is_short"):
        await site.rebuild()
    assert await site.rows() == before


async def test_erased_people_forged_and_refused_events_do_not_come_back(site: Site) -> None:
    first, second = of_person(0), of_person(1)
    stolen = second[0].model_copy(
        update={
            "id": "stolen",
            "data": second[0].data.model_copy(update={"scan_id": derived_id("scan", 0)}),
        }
    )
    forged = first[0].model_copy(
        update={"data": first[0].data.model_copy(update={"user_id": "mallory"})}
    )
    gone = say.at(e.ScanErased(subject_id=second[0].partitionkey), 99)
    async with site.replicas():
        await site.say(first)
        await site.heard(len(first))
        for later in ([stolen], second, [gone]):
            known = await site.pool.fetchval("select count(*) from inbox")
            await site.say(later)
            await site.heard(known + len(later))
        await site.say([forged])
        before = await site.rows()
        made = await site.rebuild()
        assert await site.rows() == before
    assert [row[0] for row in before["scan"]] == [derived_id("scan", 0)]
    assert made.rows_exchanged == 0
    assert made.passed_over >= 1


def test_a_persons_events_stay_in_order_and_come_one_by_one() -> None:
    first, second = of_person(0)[:3], of_person(1)[:1]
    assert list(waves([first[0], first[1], second[0], first[2]])) == [
        [first[0], second[0]], [first[1]], [first[2]],
    ]  # fmt: skip
    assert list(waves([])) == []


async def test_what_must_not_be_made_beside_is_emptied(site: Site) -> None:
    assert await replay.rebuild(site.pool, PROJECTION) == 1
