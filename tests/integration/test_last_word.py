# SPDX-License-Identifier: Apache-2.0
"""Whatever order scans and metrics of a person arrive in, the last word about each is the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from examples import example
from in_thread import InThread

from memoryguard.atrophy.handlers import score
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, decode, new_event
from memoryguard.common.contracts.flow import FACTS, TOPIC_OF
from memoryguard.common.runtime import database, inbox
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.worker import Worker
from memoryguard.ml.handlers import VERSION, Predictor, remember_health, remember_scan

FIRST = date(2022, 1, 1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def measured(number: int) -> e.VolumesExtracted:
    """A scan a year after the one before it, with 4 % less of every volume."""
    fact = example(e.VolumesExtracted, scan_id=f"scan-{number}")
    made = fact.acquisition.model_copy(update={"acquired_on": FIRST + timedelta(days=365 * number)})
    smaller = {
        name: quantity.model_copy(update={"value": quantity.value * 0.96**number})
        if quantity.value is not None
        else quantity
        for name, quantity in fact.volumes_mm3.items()
    }
    return fact.model_copy(update={"acquisition": made, "volumes_mm3": smaller})


def said(facts: Sequence[Fact]) -> list[Event]:
    """Events of these facts, a second apart."""
    return [
        new_event(fact, source="/test", time=START + timedelta(seconds=n))
        for n, fact in enumerate(facts)
    ]


async def answers(
    pool: Pool, service: Service, events: Sequence[Event], *, again: bool = False
) -> list[Event]:
    """Let a service hear events in this order, from nothing or once more; all that it has said."""
    kept = "" if again else ", outbox"
    await pool.execute(f"truncate {', '.join(service.projection)}, inbox{kept}")
    worker = Worker(service, pool, Outbox(service.name))
    for number, event in enumerate(events):
        topic = TOPIC_OF[type(event.data)]
        received = Received(topic, event.partitionkey, event.to_bytes(), number)
        envelope = inbox.open_envelope(received)
        assert envelope
        async with pool.acquire() as connection, connection.transaction():
            assert await inbox.store(connection, [envelope]) == []
        (row,) = await inbox.lease(pool, 10)
        await worker.handle(row)
    rows = await pool.fetch("select body from outbox order by position")
    return [decode(row["body"], FACTS) for row in rows]


def last_words(events: Sequence[Event]) -> dict[str, Fact]:
    """What was said last about each scan, without times."""
    timeless: dict[str, object] = {"seconds": {}, "health_as_of": None}
    return {
        event.data.scan_id: type(event.data).model_validate(
            {name: timeless.get(name, value) for name, value in event.data.model_dump().items()}
        )
        for event in events
        if isinstance(event.data, (e.AtrophyScored, e.RiskPredicted, e.RiskWithheld))
    }


async def test_a_scan_that_comes_late_has_later_ones_scored_again(database_url: str) -> None:
    service = Service(
        "atrophy", {e.VolumesExtracted: Handler(record=score)}, projection=("measurement",)
    )
    scans = [measured(number) for number in range(3)]
    async with await database.open_pool(database_url, "atrophy") as pool:
        packages = [database.RUNTIME_MIGRATIONS, "memoryguard.atrophy.migrations"]
        await database.migrate(pool, "atrophy", packages)
        in_order = await answers(pool, service, said(scans))
        assert len(in_order) == 3
        expected = last_words(in_order)
        last = expected["scan-2"]
        assert isinstance(last, e.AtrophyScored)
        assert last.earlier_scans == ("scan-0", "scan-1")
        assert last.change["hippocampus_total"].percent_per_year == pytest.approx(-4.0, abs=0.01)
        for order in itertools.permutations(scans):
            heard = await answers(pool, service, said(order))
            assert last_words(heard) == expected
            # Every pair that came in the wrong order costs one more answer, and no other does.
            dates = [scan.acquisition.acquired_on or FIRST for scan in order]
            wrong = sum(a > b for a, b in itertools.combinations(dates, 2))
            assert len(heard) == 3 + wrong


async def test_new_metrics_have_the_latest_scan_answered_again(database_url: str) -> None:
    async with await database.open_pool(database_url, "ml") as pool:
        packages = [database.RUNTIME_MIGRATIONS, "memoryguard.ml.migrations"]
        await database.migrate(pool, "ml", packages)
        predictor = Predictor(pool, InThread())
        service = Service(
            "ml",
            {
                e.AtrophyScored: Handler(predictor.answer_scan, remember_scan, version=VERSION),
                e.HealthRecorded: Handler(
                    predictor.answer_health, remember_health, version=VERSION
                ),
            },
            projection=("metric", "scored"),
        )
        made = example(e.AtrophyScored).acquisition
        scans = [
            example(
                e.AtrophyScored,
                scan_id=f"scan-{number}",
                acquisition=made.model_copy(
                    update={"acquired_on": FIRST + timedelta(days=365 * number)}
                ),
            )
            for number in range(2)
        ]
        health = example(e.HealthRecorded, recorded_on=FIRST, metrics={"moca": 17.0})
        in_order = await answers(pool, service, said([health, *scans]))
        expected = last_words(in_order)["scan-1"]
        assert isinstance(expected, e.RiskPredicted)
        assert "moca" in {each.feature for each in expected.contributions}
        for order in itertools.permutations([*scans, health]):
            events = said(order)
            heard = await answers(pool, service, events)
            assert last_words(heard)["scan-1"] == expected
            # Metrics are answered once, about the latest of the scans that are there.
            assert len(heard) == 2 + (order[0] is not health)
            # A replay keeps the order of each topic, and says nothing that was not said.
            for replayed in itertools.permutations(events):
                if of_scans(replayed) == of_scans(events):
                    assert await answers(pool, service, replayed, again=True) == heard

        older = example(e.HealthRecorded, recorded_on=date(2020, 1, 1), metrics={"moca": 9.0})
        same = example(e.HealthRecorded, recorded_on=date(2023, 1, 1), metrics={"moca": 17.0})
        heard = await answers(pool, service, said([*scans, health, older, same]))
        assert len(heard) == 3  # neither older metrics nor the same ones change what was said


def of_scans(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if isinstance(event.data, e.AtrophyScored)]
