# SPDX-License-Identifier: Apache-2.0
"""Remember health metrics; answer ``atrophy.scored`` with a prediction or a reasoned silence."""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import AtrophyScored, HealthRecorded
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.platform import Platform
from memoryguard.ml.answer import answer, warm_up


async def remember(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Keep the latest value of each metric."""
    health = event.data
    assert isinstance(health, HealthRecorded)  # noqa: S101  # the type the handler is for
    await transaction.executemany(
        "insert into metric values ($1, $2, $3, $4) on conflict (subject_id, name) do update"
        " set value = excluded.value, recorded_on = excluded.recorded_on"
        " where excluded.recorded_on >= metric.recorded_on",
        [
            (health.subject_id, name, value, health.recorded_on)
            for name, value in health.metrics.items()
        ],
    )
    return []


async def forget(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Delete an erased person's metrics."""
    await transaction.execute("delete from metric where subject_id = $1", event.partitionkey)
    return []


class Predictor:
    """Predicts in a worker process: shap takes seconds to load."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def warm_up(self) -> None:
        """Have a worker process load what the first prediction needs."""
        await self._platform.processes.run(warm_up)

    async def transform(self, event: Event) -> Sequence[Fact]:
        """Answer with ``risk.predicted`` or ``risk.withheld``.

        Health metrics are read outside the transaction: one that was heard before is committed by
        now, since a person's events are handled in order. They come on a topic of their own: what
        was said in the moment of the scan may be heard after it, and then counts from the next.
        """
        scored = event.data
        assert isinstance(scored, AtrophyScored)  # noqa: S101  # the type the handler is for
        rows = await self._platform.pool.fetch(
            "select name, value from metric where subject_id = $1", scored.subject_id
        )
        health = {row["name"]: row["value"] for row in rows}
        return [await self._platform.processes.run(answer, scored, health)]
