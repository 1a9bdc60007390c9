# SPDX-License-Identifier: Apache-2.0
"""The read model: the same rows in whatever order the events come."""

from __future__ import annotations

import asyncio
import random
from datetime import date
from itertools import permutations
from typing import TYPE_CHECKING

import api_facts as say
import pytest

from memoryguard.api.service import RECIPE
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event
from memoryguard.common.contracts.flow import TOPIC_OF, heard_by
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.worker import Worker

if TYPE_CHECKING:
    from conftest import Api

GRANTED = e.AccessGranted(
    subject_id=say.SUBJECT, user_id=say.ANNA, grantee_id="carl", actor_id=say.ANNA
)
REVOKED = e.AccessRevoked(
    subject_id=say.SUBJECT, user_id=say.ANNA, grantee_id="carl", actor_id=say.ANNA
)


def everything() -> list[Event]:
    return [
        say.at(say.received(), 0),
        say.at(say.extracted(), 10),
        say.at(say.scored(), 11),
        say.at(say.withheld(), 12),
        say.at(say.failure("ml", "memoryguard.atrophy.scored.v1"), 13),
        say.at(say.predicted(), 20),
        say.at(say.health({"moca": 25.0, "mmse": 28.0}, date(2026, 1, 1)), 1),
        say.at(say.health({"moca": 26.0}, date(2026, 2, 1)), 2),
        say.at(say.health({"moca": 20.0}, date(2025, 1, 1)), 3),  # entered late, measured early
        say.at(GRANTED, 4),
        say.at(REVOKED, 5),
        say.at(GRANTED, 6),
    ]


async def rows(api: Api) -> dict[str, list[tuple[object, ...]]]:
    tables = ("scan", "scan_fact", "health", "access_grant")
    return {
        table: [
            tuple(row)
            for row in await api.platform.pool.fetch(f"select * from {table} order by 1, 2")
        ]
        for table in tables
    }


async def clear(api: Api) -> None:
    await api.platform.pool.execute("truncate scan, scan_fact, health, access_grant")


def test_it_handles_all_that_it_hears_and_nothing_else(api: Api) -> None:
    assert api.service.handlers.keys() == heard_by("api").keys()
    assert RECIPE.name == api.service.name == "api"


async def test_a_scans_events_give_the_same_rows_in_every_order(api: Api) -> None:
    events = everything()[:5]
    await api.hear(*events)
    expected = await rows(api)
    assert len(expected["scan_fact"]) == 5
    for order in permutations(events):
        await clear(api)
        await api.hear(*order)
        assert await rows(api) == expected


async def test_all_events_give_the_same_rows_in_many_orders_and_twice(api: Api) -> None:
    events = everything()
    await api.hear(*events)
    expected = await rows(api)
    draw = random.Random(1)
    for _ in range(40):
        await clear(api)
        await api.hear(*draw.sample(events, len(events)), *draw.sample(events, 3))
        assert await rows(api) == expected
    assert expected["health"][1][1:4:2] == ("moca", 26.0)
    assert expected["access_grant"][0][3] is True


async def test_the_later_of_two_answers_stays(api: Api) -> None:
    later, earlier = say.at(say.predicted(), 20), say.at(say.predicted(), 10)
    await api.hear(later, earlier)
    kept = await api.platform.pool.fetchrow("select * from scan_fact where kind = 'predicted'")
    assert kept is not None
    assert (kept["at"], kept["first_at"]) == (later.time, earlier.time)


async def test_an_event_of_another_subject_does_not_touch_a_scan(api: Api) -> None:
    await api.hear(say.at(say.received(), 0))
    before = await rows(api)
    foreign = say.extracted().model_copy(update={"subject_id": "6" * 32})
    with pytest.raises(Rejected, match="subject_mismatch"):
        await api.hear(say.at(foreign, 1))
    dead = say.failure("atrophy", "x").model_copy(update={"subject_id": "6" * 32})
    await api.hear(say.at(dead, 2))  # never refused, or its own dead letter would come back
    assert await rows(api) == before


async def test_a_foreign_event_among_many_is_refused_alone(api: Api) -> None:
    people = [
        say.received().model_copy(update={"subject_id": f"{n:032x}", "scan_id": f"s{n}"})
        for n in range(4)
    ]
    await api.hear(say.at(people[0], 0))
    foreign = people[0].model_copy(update={"subject_id": "6" * 32})
    await put(api, *(say.at(each, 1) for each in (*people[1:], foreign)))
    await work_off(api)
    states = await api.platform.pool.fetch("select key, state from inbox where state <> 'done'")
    assert [tuple(row) for row in states] == [(foreign.subject_id, "dead")]
    kept = await rows(api)
    assert [row[0] for row in kept["scan"]] == [row[0] for row in kept["scan_fact"]]
    assert [row[0] for row in kept["scan"]] == ["s0", "s1", "s2", "s3"]


async def test_what_has_no_scan_leaves_no_row(api: Api) -> None:
    await api.hear(say.at(say.failure("ml", "memoryguard.health.recorded.v1", scan_id=None), 0))
    await api.hear(say.at(say.rejected().model_copy(update={"scan_id": None}), 1))
    assert not any((await rows(api)).values())


async def test_erasing_deletes_the_persons_rows_and_nobody_elses(api: Api) -> None:
    other = say.received().model_copy(update={"subject_id": "6" * 32, "scan_id": "other"})
    await api.hear(*everything(), say.at(other, 30))
    await api.hear(say.at(e.ScanErased(subject_id=say.SUBJECT), 40))
    left = await rows(api)
    assert [row[0] for row in left["scan"]] == ["other"]
    assert [row[0] for row in left["scan_fact"]] == ["other"]
    assert left["health"] == left["access_grant"] == []


async def test_after_erasure_a_late_event_leaves_nothing(api: Api) -> None:
    """Through the real inbox and worker, which keep the tombstone."""
    erased = say.at(e.ScanErased(subject_id=say.SUBJECT), 1)
    for event in (say.at(say.received(), 0), erased, say.at(say.scored(), 2)):
        await put(api, event)
        await work_off(api)
    assert not any((await rows(api)).values())


async def put(api: Api, *events: Event) -> None:
    records = [
        Received(TOPIC_OF[type(event.data)], event.partitionkey, event.to_bytes(), 1)
        for event in events
    ]
    envelopes = [inbox.open_envelope(record) for record in records]
    async with api.platform.pool.acquire() as connection, connection.transaction():
        await inbox.store(connection, [each for each in envelopes if each])


async def work_off(api: Api) -> None:
    worker = Worker(api.service, api.platform.pool, api.platform.outbox)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while await api.platform.pool.fetchval(
            "select exists (select from inbox where state in ('ready', 'leased'))"
        ):
            await asyncio.sleep(0.01)
    worker.stop()
    await running
