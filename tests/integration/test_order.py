# SPDX-License-Identifier: Apache-2.0
"""Projections are the same rows whatever the order between topics.

Kafka promises an order per person and topic, and none between topics. So the events of a person
come in random interleavings that keep each topic's own order, through the real inbox, worker and
handlers.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from examples import example

from memoryguard.api import projection
from memoryguard.api.service import PROJECTION as API_TABLES
from memoryguard.atrophy.handlers import forget as forget_scans
from memoryguard.atrophy.handlers import score
from memoryguard.atrophy.service import PROJECTION as ATROPHY_TABLES
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, new_event
from memoryguard.common.contracts.flow import TOPIC_OF
from memoryguard.common.runtime import database, inbox
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.common.runtime.worker import Worker
from memoryguard.ml.handlers import forget as forget_metrics
from memoryguard.ml.handlers import remember_health, remember_scan
from memoryguard.ml.service import PROJECTION as ML_TABLES

START = datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = 25

SERVICES: Mapping[str, tuple[Mapping[type[Fact], Handler], Sequence[str]]] = {
    "api": (projection.handlers(), (*API_TABLES, "access_grant")),
    "atrophy": (
        {e.VolumesExtracted: Handler(record=score), e.ScanErased: Handler(record=forget_scans)},
        ATROPHY_TABLES,
    ),
    # Without Predictor: predicting writes no row.
    "ml": (
        {
            e.AtrophyScored: Handler(record=remember_scan),
            e.HealthRecorded: Handler(record=remember_health),
            e.ScanErased: Handler(record=forget_metrics),
        },
        ML_TABLES,
    ),
}


def history_of_a_person(*, erased: bool) -> list[Event]:
    """Two scans, one of them measured twice; metrics; grants; perhaps the end."""
    facts: list[Fact] = []
    for number in range(2):
        scan = {"scan_id": f"scan-{number}"}
        made = example(e.VolumesExtracted).acquisition.model_copy(
            update={"acquired_on": date(2022 + number, 1, 1)}
        )
        facts += [
            example(e.ScanReceived, **scan),
            example(e.VolumesExtracted, acquisition=made, **scan),
            example(e.AtrophyScored, **scan),
            example(e.RiskWithheld, **scan),
            example(e.HealthRecorded, metrics={"moca": 20.0 + number}),  # of the same day
            example(e.AccessGranted),
            example(e.DeliveryFailed, **scan),
        ]
    again = example(e.VolumesExtracted, scan_id="scan-0").model_copy(update={"seconds": {}})
    facts += [again, example(e.RiskPredicted, scan_id="scan-0"), example(e.AccessRevoked)]
    facts += [example(e.HealthRecorded, recorded_on=date(2020, 1, 1), metrics={"moca": 9.0})]
    facts += [example(e.ScanErased)] if erased else []
    return [
        new_event(fact, source="/test").model_copy(update={"time": START + timedelta(seconds=n)})
        for n, fact in enumerate(facts)
    ]


def interleaved(events: Sequence[Event], draw: random.Random) -> list[Event]:
    """Shuffle, keeping the order within each topic."""
    topics: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        topics[TOPIC_OF[type(event.data)]].append(event)
    turns = [topic for topic, queue in topics.items() for _ in queue]
    draw.shuffle(turns)
    return [topics[topic].pop(0) for topic in turns]


async def handled(pool: Pool, service: Service, events: Sequence[Event]) -> dict[str, list[str]]:
    """Let a service handle the events from nothing, in this order; its rows."""
    tables = ", ".join([*service.projection, "inbox", "outbox", "tombstone"])
    await pool.execute(f"truncate {tables}")
    worker = Worker(service, pool, Outbox(service.name))
    records = [
        Received(TOPIC_OF[type(event.data)], event.partitionkey, event.to_bytes(), n)
        for n, event in enumerate(events)
        if type(event.data) in service.handlers
    ]
    envelopes = [each for each in map(inbox.open_envelope, records) if each]
    async with pool.acquire() as connection, connection.transaction():
        assert await inbox.store(connection, envelopes) == []
    for _ in envelopes:  # one person: one row at a time
        (row,) = await inbox.lease(pool, 10)
        await worker.handle(row)
    return {
        table: sorted(str(tuple(row)) for row in await pool.fetch(f"select * from {table}"))
        for table in service.projection
    }


@pytest.mark.parametrize("erased", [False, True], ids=["alive", "erased"])
@pytest.mark.parametrize("name", SERVICES)
async def test_any_order_between_topics_gives_the_same_rows(
    database_url: str, name: str, erased: bool
) -> None:
    handlers, tables = SERVICES[name]
    service = Service(name, handlers, projection=tables)
    events, draw = history_of_a_person(erased=erased), random.Random(3)
    async with await database.open_pool(database_url, name) as pool:
        packages = [database.RUNTIME_MIGRATIONS, f"memoryguard.{name}.migrations"]
        await database.migrate(pool, name, packages)
        expected = await handled(pool, service, events)
        assert any(expected.values()) is not erased
        for _ in range(ORDERS):
            assert await handled(pool, service, interleaved(events, draw)) == expected
