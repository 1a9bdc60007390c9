# SPDX-License-Identifier: Apache-2.0
"""Answer scored scans, and new health metrics, with a prediction or a reasoned silence.

A prediction rests on a scan and on what is known of the person beside it. Whichever of the two
arrives last is answered: a scan with the latest metrics, new metrics with the latest scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import AtrophyScored, HealthRecorded
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.processes import Processes
from memoryguard.ml.answer import answer, warm_up

# The latest scan of a person is the one made last; of those made on one day, or without a date,
# the one that was scored last.
_REMEMBER_SCAN = """
insert into scored (subject_id, scan_id, acquired_on, fact) values ($1, $2, $3, $4)
on conflict (subject_id) do update
set scan_id = excluded.scan_id, acquired_on = excluded.acquired_on, fact = excluded.fact
where scored.scan_id = excluded.scan_id
    or coalesce(excluded.acquired_on, '-infinity') >= coalesce(scored.acquired_on, '-infinity')
"""
_REMEMBER_METRIC = """
insert into metric (subject_id, name, value, recorded_on) values ($1, $2, $3, $4)
on conflict (subject_id, name) do update
set value = excluded.value, recorded_on = excluded.recorded_on
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
            (health.subject_id, name, value, health.recorded_on)
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

    async def warm_up(self) -> None:
        """Have a worker process load what the first prediction needs."""
        await self._processes.run(warm_up)

    async def answer_scan(self, event: Event) -> Sequence[Fact]:
        """Answer a scored scan with ``risk.predicted`` or ``risk.withheld``."""
        scored = event.data
        assert isinstance(scored, AtrophyScored)  # noqa: S101  # the type the handler is for
        known = await self._known(scored.subject_id)
        health = {name: value for name, (value, _) in known.items()}
        return [await self._processes.run(answer, scored, health)]

    async def answer_health(self, event: Event) -> Sequence[Fact]:
        """Answer new metrics about the person's latest scan; silent where they change nothing."""
        health = event.data
        assert isinstance(health, HealthRecorded)  # noqa: S101  # the type the handler is for
        known = await self._known(health.subject_id)
        before = {name: value for name, (value, _) in known.items()}
        now = before | newer(known, health)
        row = await self._pool.fetchrow(
            "select fact from scored where subject_id = $1", health.subject_id
        )
        if now == before or row is None:
            return []
        scored = AtrophyScored.model_validate_json(row["fact"])
        return [await self._processes.run(answer, scored, now)]

    async def _known(self, subject_id: str) -> dict[str, tuple[float, date]]:
        rows = await self._pool.fetch(
            "select name, value, recorded_on from metric where subject_id = $1", subject_id
        )
        return {row["name"]: (row["value"], row["recorded_on"]) for row in rows}


def newer(known: Mapping[str, tuple[float, date]], health: HealthRecorded) -> dict[str, float]:
    """Metrics of a record that are not older than what is known of the same name."""
    return {
        name: value
        for name, value in health.metrics.items()
        if name not in known or known[name][1] <= health.recorded_on
    }
