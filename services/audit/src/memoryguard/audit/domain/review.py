# SPDX-License-Identifier: Apache-2.0
"""What an activity review finds: plain data from plain data, the same every time."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from memoryguard.audit.domain import volume

SHOWN = 100
"""Sequence numbers that a finding names at most; it says how many more there are."""

BURST = 10
BURST_WINDOW = timedelta(minutes=10)

METHOD: Final = {
    "bursts": f"{BURST} or more refusals of one account and code in {BURST_WINDOW.seconds} seconds",
    "unusual_volume": volume.METHOD,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal; one event may stand for several."""

    sequence: int
    at: datetime
    actor: str
    code: str
    action: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Looks:
    """How an account looked at others' data.

    Parameters
    ----------
    people, reads
        Distinct people, and looks, in the period.
    earlier
        Distinct people in each period before it, the oldest first.
    """

    actor: str
    people: int
    reads: int
    earlier: tuple[int, ...]


def refusals(found: Sequence[Refusal]) -> list[dict[str, Any]]:
    """Put refusals together by account and code, most of them first."""
    alike = defaultdict[tuple[str, str], list[Refusal]](list)
    for each in sorted(found, key=lambda r: (r.at, r.sequence)):
        alike[each.actor, each.code].append(each)
    findings = [
        {
            "actor": actor,
            "code": code,
            "count": sum(each.times for each in group),
            "actions": sorted({each.action for each in group}),
            "burst": burst(group),
            **named([each.sequence for each in group]),
        }
        for (actor, code), group in alike.items()
    ]
    return sorted(findings, key=lambda f: (-int(str(f["count"])), str(f["actor"]), str(f["code"])))


def burst(group: Sequence[Refusal]) -> dict[str, Any] | None:
    """Give the most refusals in any window, if they are a burst. They come in order of time."""
    most, begin, count, first = 0, 0, 0, 0
    for last in group:
        count += last.times
        while last.at - group[begin].at > BURST_WINDOW:
            count -= group[begin].times
            begin += 1
        if count > most:
            most, first = count, begin
    if most < BURST:
        return None
    return {"count": most, "from": group[first].at.isoformat()}


def volumes(found: Sequence[Looks]) -> list[dict[str, Any]]:
    """Judge how many people each account looked at; those that are unusual first."""
    findings = list[dict[str, Any]]()
    for each in found:
        peers = [other.people for other in found if other.actor != each.actor]
        earlier = volume.own_periods(each.earlier)
        own = volume.judged(each.people, earlier, volume.LEAST_PERIODS, "too_little_history")
        beside = volume.judged(each.people, peers, volume.LEAST_PEERS, "too_few_peers")
        unusual = bool(own["unusual"] or beside["unusual"])
        findings.append(
            {"actor": each.actor, "people": each.people, "reads": each.reads, "unusual": unusual,
             "beside_own_earlier": own, "beside_peers": beside}
        )  # fmt: skip
    return sorted(findings, key=lambda f: (not f["unusual"], -f["people"], f["actor"]))


def named(sequences: Sequence[int]) -> dict[str, Any]:
    """Name the entries behind a finding."""
    ordered = sorted(sequences)
    return {"sequences": ordered[:SHOWN], "more": max(0, len(ordered) - SHOWN)}


def digest(report: Mapping[str, Any]) -> str:
    """SHA-256 of a report's canonical form: JSON, sorted keys, no spaces, UTF-8."""
    text = json.dumps(
        report, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
