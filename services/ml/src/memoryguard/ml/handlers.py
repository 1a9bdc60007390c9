# SPDX-License-Identifier: Apache-2.0
"""Answer scored scans, and new health metrics, with a prediction or a reasoned silence.

A prediction rests on a scan and on what is known of the person beside it. Whichever of the two
arrives last is answered: a scan with the latest metrics, new metrics with the latest scan.

Scans and metrics come on two topics, and a replay may bring them in another order. What was said
then must not be said again: an answer states up to when metrics were known (`health_as_of`), and
metrics that the answer to the scan knew already are not answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from memoryguard.common.contracts.event import Event, Fact, decode
from memoryguard.common.contracts.events import (
    AtrophyScored,
    HealthRecorded,
    RiskPredicted,
    RiskWithheld,
)
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.processes import Processes
from memoryguard.ml.answer import answer, warm_up
from memoryguard.ml.domain.metrics import Metric, told, values

VERSION = 2
"""Of both handlers that predict."""

Answer = RiskPredicted | RiskWithheld


# The latest scan of a person is the one made last; of those made on one day, or without a date,
# the one that was scored last.
_REMEMBER_SCAN = """
insert into scored (subject_id, scan_id, acquired_on, event_source, event_id, fact)
values ($1, $2, $3, $4, $5, $6)
on conflict (subject_id) do update set
    scan_id = excluded.scan_id, acquired_on = excluded.acquired_on,
    event_source = excluded.event_source, event_id = excluded.event_id, fact = excluded.fact
where scored.scan_id = excluded.scan_id
    or coalesce(excluded.acquired_on, '-infinity') >= coalesce(scored.acquired_on, '-infinity')
"""
_REMEMBER_METRIC = """
insert into metric (subject_id, name, value, recorded_on, said_at) values ($1, $2, $3, $4, $5)
on conflict (subject_id, name) do update set
    value = excluded.value, recorded_on = excluded.recorded_on, said_at = excluded.said_at
where excluded.recorded_on >= metric.recorded_on
"""


async def remember_scan(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Keep a person's latest scored scan."""
    scored = event.data
    assert isinstance(scored, AtrophyScored)  # noqa: S101  # the type the handler is for
    await transaction.execute(
        _REMEMBER_SCAN,
        scored.subject_id,
        scored.scan_id,
        scored.acquisition.acquired_on,
        event.source,
        event.id,
        scored.model_dump_json(),
    )
    return []


async def remember_health(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Keep the latest value of each metric."""
    health = event.data
    assert isinstance(health, HealthRecorded)  # noqa: S101  # the type the handler is for
    await transaction.executemany(
        _REMEMBER_METRIC,
        [
            (health.subject_id, name, value, health.recorded_on, event.time)
            for name, value in health.metrics.items()
        ],
    )
    return []


async def forget(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Delete an erased person's metrics and scan."""
    for table in ("metric", "scored"):
        await transaction.execute(
            f"delete from {table} where subject_id = $1",  # noqa: S608  # one of the two above
            event.partitionkey,
        )
    return []


class Predictor:
    """Predicts in a worker process: shap takes seconds to load.

    What is known of the person is read outside the transaction: what was heard before is committed
    by now, since a person's events are handled one at a time.
    """

    def __init__(self, pool: Pool, processes: Processes) -> None:
        self._pool = pool
        self._processes = processes
        self._outbox = Outbox("ml")

    async def warm_up(self) -> None:
        """Have a worker process load what the first prediction needs."""
        await self._processes.run(warm_up)

    async def answer_scan(self, event: Event) -> Sequence[Fact]:
        """Answer a scored scan with ``risk.predicted`` or ``risk.withheld``."""
        scored = event.data
        assert isinstance(scored, AtrophyScored)  # noqa: S101  # the type the handler is for
        known = await self._known(scored.subject_id)
        said = [metric.said_at for metric in known.values() if metric.said_at]
        return [await self._answer(scored, values(known), max(said, default=None))]

    async def answer_health(self, event: Event) -> Sequence[Fact]:
        """Answer new metrics about the person's latest scan; silent where they change nothing."""
        health = event.data
        assert isinstance(health, HealthRecorded)  # noqa: S101  # the type the handler is for
        known = await self._known(health.subject_id)
        before = values(known)
        now = values(told(known, health.metrics, health.recorded_on, event.time))
        row = await self._pool.fetchrow(
            "select event_source, event_id, fact from scored where subject_id = $1",
            health.subject_id,
        )
        if now == before or row is None:
            return []
        knew = await self._knew(row["event_source"], row["event_id"])
        if knew and knew >= event.time:
            return []
        scored = AtrophyScored.model_validate_json(row["fact"])
        return [await self._answer(scored, now, event.time)]

    async def _answer(
        self, scored: AtrophyScored, health: Mapping[str, float], as_of: datetime | None
    ) -> Fact:
        said = await self._processes.run(answer, scored, health)
        return said.model_copy(update={"health_as_of": as_of})

    async def _knew(self, source: str, event_id: str) -> datetime | None:
        """Up to when the answer to a scored scan knew metrics; None: of none, or no answer."""
        ids = [
            self._outbox.answer_id(source, event_id, VERSION, kind.type)
            for kind in (RiskPredicted, RiskWithheld)
        ]
        body = await self._pool.fetchval("select body from outbox where event_id = any($1)", ids)
        answered = decode(body, FACTS).data if body else None
        return answered.health_as_of if isinstance(answered, Answer) else None

    async def _known(self, subject_id: str) -> dict[str, Metric]:
        rows = await self._pool.fetch(
            "select name, value, recorded_on, said_at from metric where subject_id = $1", subject_id
        )
        return {
            row["name"]: Metric(row["value"], row["recorded_on"], row["said_at"]) for row in rows
        }
