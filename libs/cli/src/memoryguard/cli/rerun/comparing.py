# SPDX-License-Identifier: Apache-2.0
"""Read the bus twice: once for what is kept of each scan, once to ask the other model about it.

Nothing is published, and nothing is written into a database.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from memoryguard.cli.rerun.kept import Kept, Said, events
from memoryguard.cli.rerun.verdict import changes, verdict
from memoryguard.common.contracts.events import AtrophyScored, Engine, RiskPredicted, RiskWithheld
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.history import history
from memoryguard.common.runtime.settings import KafkaSettings

WHAT = "scans whose verdict would change under another risk model; nothing was published"

Predict = Callable[[AtrophyScored, Mapping[str, float]], RiskPredicted | RiskWithheld]
Told = Callable[[int, int], None]
"""Hears how many scans are compared, of how many."""


@dataclass(slots=True)
class Comparison:
    """Two models over everything that is kept.

    Parameters
    ----------
    predict
        What the other model answers to a score and health metrics.
    since
        Verdicts before it do not count.
    threshold
        By how much the explained output may move without being another verdict.
    """

    predict: Predict
    since: datetime
    threshold: float
    compared: int = 0
    by_change: Counter[str] = field(default_factory=Counter[str])
    by_model: Counter[Engine] = field(default_factory=Counter[Engine])
    new: set[Engine] = field(default_factory=set[Engine])
    scans: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    left_out: dict[str, int] = field(default_factory=dict[str, int])

    async def run(self, pool: Pool, kafka: KafkaSettings, told: Told) -> None:
        """Compare all scans.

        Parameters
        ----------
        pool
            Of any service; the embedded bus lies in its database.
        kafka
            Without servers, the embedded bus is read.
        told
            Hears of the progress.
        """
        kept = Kept(self.since)
        async for batch in history(pool, kafka):
            for event in events(batch):
                kept.hear(event)
        self.left_out = kept.left_out()
        wanted = kept.scans()
        total = len(wanted)
        async for batch in history(pool, kafka):
            found = [
                (event.data, kept.verdicts[scan])
                for event in events(batch)
                if isinstance(event.data, AtrophyScored) and (scan := wanted.pop(event.id, None))
            ]
            await asyncio.to_thread(self._compare, found, kept)
            told(self.compared, total)

    def _compare(self, found: Sequence[tuple[AtrophyScored, Said]], kept: Kept) -> None:
        for scored, said in found:
            new = verdict(self.predict(scored, kept.health_of(said)))
            self.compared += 1
            self.by_model[said.verdict.model] += 1
            self.new.add(new.model)
            if how := changes(said.verdict, new, self.threshold):
                self.by_change.update(how)
                self.scans.append(
                    {
                        "scan_id": scored.scan_id,
                        "subject_id": scored.subject_id,
                        "changes": how,
                        "old": {"event_id": said.event_id, "at": said.at.isoformat()}
                        | said.verdict.document(),
                        "new": new.document(),
                    }
                )

    def document(self) -> dict[str, Any]:
        """Write the list."""
        old = sorted(self.by_model.items(), key=lambda each: (each[0].name, each[0].version))
        return {
            "what": WHAT,
            "made_at": datetime.now(UTC).isoformat(),
            "since": self.since.isoformat(),
            "threshold": self.threshold,
            "new_models": [each.model_dump(mode="json") for each in self.new],
            "old_models": [each.model_dump(mode="json") | {"scans": count} for each, count in old],
            "compared": self.compared,
            "changed": len(self.scans),
            "changes": dict(self.by_change),
            "not_compared": self.left_out,
            "scans": sorted(self.scans, key=lambda scan: scan["scan_id"]),
        }
