# SPDX-License-Identifier: Apache-2.0
"""What the bus keeps of each scan: its scores, its latest verdict, what was known of the person.

The scores themselves are not held: they are read again when they are needed. Events of different
topics come in no order, so their own times decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pydantic_core import from_json

from memoryguard.cli.rerun.verdict import Verdict, verdict
from memoryguard.common.contracts.event import Event, Fact, decode
from memoryguard.common.contracts.events import (
    AtrophyScored,
    HealthRecorded,
    RiskPredicted,
    RiskWithheld,
    ScanErased,
)
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.bus import Received
from memoryguard.ml.domain.metrics import Metric, told, values

_FACTS: dict[str, type[Fact]] = {
    fact.type: fact
    for fact in (AtrophyScored, HealthRecorded, RiskPredicted, RiskWithheld, ScanErased)
}


def events(batch: Sequence[Received]) -> Iterator[Event]:
    """Read those events of a batch that count here; what is no event is audit's concern."""
    for record in batch:
        try:
            document = from_json(record.body)
            if isinstance(document, dict) and document.get("type") in _FACTS:
                yield decode(record.body, _FACTS)
        except (ValueError, Rejected):
            continue


@dataclass(frozen=True, slots=True)
class Said:
    """The latest verdict on a scan, and the event that it answers."""

    at: datetime
    event_id: str
    cause: str | None
    subject_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Recorded:
    """Health metrics as somebody entered them."""

    at: datetime
    on: date
    metrics: dict[str, float]


@dataclass(slots=True)
class Kept:
    """Everything that is kept, by scan and by person.

    Parameters
    ----------
    since
        Verdicts before it do not count.
    """

    since: datetime
    verdicts: dict[str, Said] = field(default_factory=dict[str, Said])
    scores: dict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    health: dict[str, list[Recorded]] = field(default_factory=lambda: defaultdict(list))
    erased: set[str] = field(default_factory=set[str])

    def hear(self, event: Event) -> None:
        """Take in one event; the same one twice changes nothing."""
        fact = event.data
        if isinstance(fact, AtrophyScored):
            self.scores[fact.scan_id].append((event.time, event.id))
        elif isinstance(fact, RiskPredicted | RiskWithheld):
            self._hear_verdict(event, fact)
        elif isinstance(fact, HealthRecorded):
            recorded = Recorded(event.time, fact.recorded_on, fact.metrics)
            self.health[fact.subject_id].append(recorded)
        elif isinstance(fact, ScanErased):
            self.erased.add(fact.subject_id)

    def _hear_verdict(self, event: Event, fact: RiskPredicted | RiskWithheld) -> None:
        before = self.verdicts.get(fact.scan_id)
        if event.time < self.since or (
            before and (before.at, before.event_id) >= (event.time, event.id)
        ):
            return
        self.verdicts[fact.scan_id] = Said(
            event.time, event.id, event.causationid, fact.subject_id, verdict(fact)
        )

    def scans(self) -> dict[str, str]:
        """Scans that can be compared, by the event that holds the score their verdict is about."""
        return {
            score: scan
            for scan, said in self.verdicts.items()
            if said.subject_id not in self.erased and (score := self._score(scan, said))
        }

    def _score(self, scan: str, said: Said) -> str | None:
        """Find the score that a verdict answers; where something else caused it, the latest."""
        known = self.scores.get(scan, [])
        if said.cause in [event_id for _, event_id in known]:
            return said.cause
        return max((each for each in known if each[0] <= said.at), default=(None, None))[1]

    def left_out(self) -> dict[str, int]:
        """How many verdicts cannot be compared, and why."""
        erased = sum(said.subject_id in self.erased for said in self.verdicts.values())
        lost = len(self.verdicts) - erased - len(self.scans())
        return {"erased": erased, "score_not_kept": lost}

    def health_of(self, said: Said) -> dict[str, float]:
        """Give a person's metrics as they stood: of what was said by then, the latest by day."""
        known: dict[str, Metric] = {}
        for each in sorted(self.health.get(said.subject_id, ()), key=lambda each: each.at):
            if each.at <= said.at:
                known = told(known, each.metrics, each.on, each.at)
        return values(known)
