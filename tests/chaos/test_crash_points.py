# SPDX-License-Identifier: Apache-2.0
"""Every service, killed at each effect it has, started again: the end is as if nothing happened.

Run with ``-s`` to read the effects. ``test_controls.py`` proves that the comparison can fail.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

import outcome
import pytest
from runs import fresh, perform
from stage import Act, Stage

from memoryguard.common.contracts.flow import SERVICES

SIDE_BY_SIDE = {"postgres": 4, "kafka": 8}  # on Kafka most of the time goes by waiting

# What the undisturbed run must say, and words that must be in the names of its effects: else the
# work, or the counting of it, has become empty without anybody noticing.
SAYS = {
    "ingest": {
        "settings.changed.v1",
        "scan.available.v1",
        "scan.received.v1",
        "scan.rejected.v1",
        "health.recorded.v1",
        "access.read.v1",
    },
    "processor": {
        "settings.changed.v1",
        "volumes.extracted.v1",
        "volumes.refused.v1",
        "document.made.v1",
    },
    "atrophy": {
        "settings.changed.v1",
        "atrophy.scored.v1",
        "delivery.conflicted.v1",
        "delivery.failed.v1",
    },
    "ml": {"settings.changed.v1", "risk.predicted.v1"},
    "audit": {"settings.changed.v1", "checkpoint.signed.v1", "delivery.conflicted.v1"},
    "api": {
        "settings.changed.v1",
        "access.invited.v1",
        "access.granted.v1",
        "access.revoked.v1",
        "access.read.v1",
        "access.denied.v1",
    },
}
EFFECTS = {
    "ingest": {"migration", "setting", "inbox", "outbox", "producer", "alias", "scan", "series",
               "image", "address", "put keys", "put staging", "put identity", "put scans",
               "delete"},
    "processor": {"migration", "setting", "inbox", "outbox", "producer", "put derived"},
    "atrophy": {"migration", "setting", "inbox", "outbox", "producer", "measurement"},
    "ml": {"migration", "setting", "inbox", "outbox", "producer", "metric", "scored"},
    "audit": {"migration", "setting", "outbox", "producer",
              "entry+seen+tile+log.head+log.position", "log.checkpoint", "put checkpoints",
              "put log"},
    "api": {"migration", "setting", "inbox", "outbox", "producer", "scan_fact", "health",
            "access_invitation", "access_grant"},
}  # fmt: skip
BUS_EFFECTS = {
    "postgres": {"bus.topic+bus.record", "bus.cursor"},
    "kafka": {"publish memoryguard.", "commit offsets"},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="session"),
]


# Every service on the embedded bus. On Kafka one of each kind: who is talked to over HTTP, who
# hears and answers by the common consumer and relay (so do the other three), and audit, whose
# consumer is its own. What differs between the buses lies in those parts alone.
ON_KAFKA = ("ingest", "ml", "audit")
WHERE = [*(("postgres", name) for name in SERVICES), *(("kafka", name) for name in ON_KAFKA)]


@pytest.fixture
def bus(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The bus's name, and its servers when it is Kafka."""
    name: str = request.param
    return name, request.getfixturevalue("kafka_servers") if name == "kafka" else ""


@pytest.mark.parametrize(("bus", "service"), WHERE, indirect=["bus"])
async def test_killed_at_every_effect_the_end_is_the_same(
    stage: Stage, bus: tuple[str, str], service: str
) -> None:
    act = stage.acts[service]
    name, servers = bus
    began = time.monotonic()
    assert act.said == SAYS[service]
    undisturbed = await _undisturbed(stage, act, servers)
    for word in EFFECTS[service] | BUS_EFFECTS[name]:
        assert any(word in effect for effect in undisturbed), f"nothing counted for {word}"
    points = await _every_point(stage, act, servers, SIDE_BY_SIDE[name])
    for effect in undisturbed:
        if not parts([effect]) <= parts(point.effect for point in points):
            points.append(await _point(stage, act, servers, effect))  # interleavings differ
    died_at = [point.effect for point in points if point.effect]
    print(f"\n{service} on {name}: {len(undisturbed)} effects undisturbed, killed at"
          f" {len(died_at)}, {time.monotonic() - began:.1f} s: {sorted(set(died_at))}")  # fmt: skip
    assert not [line for point in points for line in point.found]
    assert parts(undisturbed) <= parts(died_at)


def parts(effects: Iterable[str | None]) -> set[str]:
    """Each table and each store of some effects: which commit together is a matter of timing."""
    return {part for effect in effects if effect for part in re.split(r"[ +]", effect)}


async def _undisturbed(stage: Stage, act: Act, servers: str) -> list[str]:
    async with fresh(act.world, act.service, stage.folder, servers) as run:
        child = await perform(run, stage.zygote, act.script)
        found = outcome.differences(act.undisturbed, await run.outcome(), asked_again=0)
    assert not found, f"undisturbed on this bus: {found}"
    return child.effects


@dataclass(frozen=True)
class Point:
    """One kill: at which effect (none, when the run ended before), and what differs at the end."""

    effect: str | None
    found: list[str]


async def _every_point(stage: Stage, act: Act, servers: str, side_by_side: int) -> list[Point]:
    """Kill at the 1st, 2nd, … effect, until a run ends before its number comes."""
    numbers = itertools.count(1)
    points: list[Point] = []

    async def worker() -> None:
        while all(point.effect for point in points):
            points.append(await _point(stage, act, servers, next(numbers)))

    async with asyncio.TaskGroup() as group:
        for _ in range(side_by_side):
            group.create_task(worker())
    return points


async def _point(stage: Stage, act: Act, servers: str, kill_at: int | str) -> Point:
    """Kill at one effect, start again, wait for rest and compare."""
    async with fresh(act.world, act.service, stage.folder, servers) as run:
        child = await perform(run, stage.zygote, act.script, kill_at)
        end = await run.outcome()
    died = child.ended.result() != 0
    where = f"killed at effect {kill_at} ({child.effects[-1]}): "
    found = outcome.differences(act.undisturbed, end, asked_again=int(died))
    return Point(child.effects[-1] if died else None, [where + line for line in found])
