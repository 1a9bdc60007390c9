# SPDX-License-Identifier: Apache-2.0
"""Where a scan stands, from the facts that have arrived: one pure function.

Facts come over several topics and in any order. Each kind is kept once, its latest event.

========== ===========================================================================
kind       event
========== ===========================================================================
received   ScanReceived
rejected   ScanRejected
extracted  VolumesExtracted
refused    VolumesRefused
scored     AtrophyScored
predicted  RiskPredicted
withheld   RiskWithheld
failed.x   DeliveryFailed of service x: it gave an event about this scan up
========== ===========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal["uploaded", "processing", "completed", "failed"]
Stage: TypeAlias = Literal["received", "measured", "scored", "explained"]

KINDS_OF_STAGE: Mapping[Stage, tuple[str, ...]] = {
    "received": ("received",),
    "measured": ("extracted",),
    "scored": ("scored",),
    "explained": ("predicted", "withheld"),
}
STAGES: tuple[Stage, ...] = tuple(KINDS_OF_STAGE)
FAILED = "failed."
"""Prefix of the kinds that come from dead letters."""

# A dead letter matters as long as what its service owes is missing; a later success heals it.
OWED: Mapping[str, tuple[str, ...]] = {
    "processor": ("extracted", "refused"),
    "atrophy": ("scored",),
    "ml": ("predicted", "withheld"),
}
# Our own dead letter hides a fact from the reader: the event's type says which.
OWN_SERVICE = "api"
KIND_OF_EVENT: Mapping[str, str] = {
    "memoryguard.scan.received.v1": "received",
    "memoryguard.volumes.extracted.v1": "extracted",
    "memoryguard.volumes.refused.v1": "refused",
    "memoryguard.atrophy.scored.v1": "scored",
    "memoryguard.risk.predicted.v1": "predicted",
    "memoryguard.risk.withheld.v1": "withheld",
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """One fact: when its event happened, and what it says (the event's data).

    Events of its kind may have been heard before, the first of them at `first_at`: a scan is
    scored again when an older one arrives, and explained again when health metrics do.
    """

    at: datetime
    first_at: datetime
    data: Mapping[str, Any]


Facts: TypeAlias = Mapping[str, Arrived]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a scan failed."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a scan stands.

    Parameters
    ----------
    status
        One of the four words; the last two are final (but a redriven or repeated event may
        still change them).
    stage
        The furthest stage reached with nothing missing before it.
    problem
        Set when failed.
    seconds
        From one stage's first event to the next one's, and ``total`` once there is an end.
    """

    status: Status
    stage: Stage
    problem: Problem | None
    seconds: dict[str, float]

    @property
    def final(self) -> bool:
        """Whether nothing more is expected."""
        return self.status in ("completed", "failed")


def latest(facts: Facts, *kinds: str) -> str | None:
    """Which of the kinds was said last, None when none was: later answers replace earlier ones."""
    said = [kind for kind in kinds if kind in facts]
    return max(said, key=lambda kind: facts[kind].at, default=None)


def standing(facts: Facts) -> Standing:
    """Derive where a scan stands.

    Parameters
    ----------
    facts
        What has arrived, by kind.
    """
    reached = _reached(facts)
    stage = _furthest(reached)
    problem = _problem(facts)
    if problem:
        status: Status = "failed"
    elif stage == "explained":
        status = "completed"
    else:
        status = "processing" if reached - {"received"} else "uploaded"
    return Standing(status, stage, problem, _seconds(facts, ended=status))


def _reached(facts: Facts) -> set[Stage]:
    """Return the stages that have a fact; a refusal after a measurement takes that one back."""
    reached: set[Stage] = {
        stage for stage, kinds in KINDS_OF_STAGE.items() if latest(facts, *kinds)
    }
    if latest(facts, "extracted", "refused") == "refused":
        reached.discard("measured")
    return reached


def _furthest(reached: set[Stage]) -> Stage:
    furthest: Stage = "received"
    for stage in STAGES:
        if stage not in reached:
            break
        furthest = stage
    return furthest


def _problem(facts: Facts) -> Problem | None:
    rejected = facts.get("rejected")
    if rejected and "received" not in facts:
        return _from_reason(rejected.data["reason"])
    if latest(facts, "extracted", "refused") == "refused":
        reasons = facts["refused"].data["quality"]["reasons"]
        unknown = {"code": "not_measurable", "message": "the scan cannot be measured"}
        return _from_reason(next(iter(reasons), unknown))
    return _dead_letter(facts)


def _from_reason(reason: Mapping[str, Any]) -> Problem:
    return Problem(
        reason["code"], reason["message"], "upload a complete T1-weighted MRI series of the head"
    )


def _dead_letter(facts: Facts) -> Problem | None:
    for kind in sorted(facts, key=lambda kind: facts[kind].at):
        if kind.startswith(FAILED) and _still_owed(kind.removeprefix(FAILED), facts, kind):
            return Problem(
                facts[kind].data["code"],
                f"the service {facts[kind].data['service']} gave this scan up",
                "an operator can try again: memoryguard redrive",
            )
    return None


def _still_owed(service: str, facts: Facts, kind: str) -> bool:
    if service == OWN_SERVICE:
        hidden = KIND_OF_EVENT.get(facts[kind].data["event_type"])
        return hidden is not None and hidden not in facts
    owed = OWED.get(service)
    return owed is not None and not any(name in facts for name in owed)


def _seconds(facts: Facts, *, ended: Status) -> dict[str, float]:
    """Seconds from each reached stage to the next; never negative (clocks of machines differ)."""
    firsts = {
        stage: min(found)
        for stage, kinds in KINDS_OF_STAGE.items()
        if (found := [facts[kind].first_at for kind in kinds if kind in facts])
    }
    times = list(firsts.items())
    seconds = {stage: _between(earlier, at) for (_, earlier), (stage, at) in pairwise(times)}
    if ended in ("completed", "failed") and "received" in firsts:
        end = max(firsts.values()) if ended == "completed" else max(f.at for f in facts.values())
        seconds["total"] = _between(firsts["received"], end)
    return seconds


def _between(start: datetime, end: datetime) -> float:
    return round(max((end - start).total_seconds(), 0.0), 3)
