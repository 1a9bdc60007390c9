# SPDX-License-Identifier: Apache-2.0
"""Worlds for every service, each made of what the services before it said, undisturbed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import scenarios
from outcome import Outcome
from runs import Script, World, Zygote, fresh, perform, zygote

from memoryguard.cli.home import Home, make_home
from memoryguard.common.contracts.events import VolumesExtracted
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.bus import Record
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.database import connect, prepare


@dataclass(frozen=True)
class Act:
    """One service's work, the world it starts in, and how it ends when nobody disturbs it."""

    service: str
    script: Script
    world: World
    undisturbed: Outcome
    effects: Sequence[str]
    said: frozenset[str]


@dataclass
class Stage:
    """Everything that crash points need."""

    folder: Path
    zygote: Zygote
    acts: dict[str, Act]


@asynccontextmanager
async def open_stage(folder: Path, admin_url: str) -> AsyncGenerator[Stage]:
    """Run the whole flow once, service after service."""
    home = make_home(folder / "home")
    async with zygote(folder / "zygote.log") as forks:
        stage = Stage(folder, forks, {})
        builder = _Builder(stage, home, admin_url)
        for service in ("ingest", "processor", "atrophy", "ml", "api", "audit"):
            await builder.add(service)
        assert set(stage.acts) == set(SERVICES)
        yield stage


class _Builder:
    def __init__(self, stage: Stage, home: Home, admin_url: str) -> None:
        self._stage = stage
        self._home = home
        self._admin_url = admin_url
        self._said: list[Record] = []
        self._objects = home.folder / "objects"

    async def add(self, service: str) -> None:
        script, before = self._work(service)
        world = await self._world(service, before)
        async with fresh(world, service, self._stage.folder) as run:
            first = await perform(run, self._stage.zygote, script)
            undisturbed = await run.outcome()
            assert not undisturbed.wrong, f"{service}, undisturbed: {undisturbed.wrong}"
            source = f"/memoryguard/{service}"
            said = [r for r in await run.records() if _source(r) == source]
            self._said += [r for r in said if "checkpoints" not in r.topic]
            self._objects = self._stage.folder / f"objects-after-{service}"
            await asyncio.to_thread(
                shutil.copytree, run.objects, self._objects, copy_function=os.link
            )
        types = scenarios.types_said(said, source)
        self._stage.acts[service] = Act(
            service, script, world, undisturbed, tuple(first.effects), types
        )

    def _work(self, service: str) -> tuple[Script, list[Record]]:
        """Give who talks to a service, and what is on the bus when it starts."""
        match service:
            case "ingest":
                return scenarios.intake(self._stage.folder, self._home), []
            case "ml":
                scored = [r for r in self._said if r.topic == "memoryguard.atrophy.v1"]
                before = [r for r in self._said if r not in scored]
                return scenarios.health_first(scored), before
            case "atrophy":
                return scenarios.nothing, self._with_disturbance(poison=True)
            case "audit":
                return scenarios.nothing, self._with_disturbance(poison=False)
            case "api":
                return scenarios.grants, list(self._said)
            case _:
                return scenarios.nothing, list(self._said)

    def _with_disturbance(self, *, poison: bool) -> list[Record]:
        # Of what can be scored: whose scan is measured first is nobody's promise.
        kind = VolumesExtracted.type.encode()
        at = next(i for i, r in enumerate(self._said) if kind in r.body)
        extra = scenarios.disturbed(self._said[at], poison=poison)
        return [*self._said[:at], *extra, *self._said[at + 1 :]]

    async def _world(self, service: str, records: list[Record]) -> World:
        name = f"world_{service}"
        admin = await connect(self._admin_url)
        await admin.execute(f"create database {name}")
        await admin.close()
        url = self._admin_url.replace("/postgres?", f"/{name}?")
        await prepare(url, SERVICES)
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
            await PostgresBus(pool).publish(records)
        return World(self._home, self._admin_url, name, self._objects, records)


def _source(record: Record) -> str | None:
    try:
        return json.loads(record.body)["source"]
    except ValueError:
        return None
