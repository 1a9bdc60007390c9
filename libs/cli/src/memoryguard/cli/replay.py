# SPDX-License-Identifier: Apache-2.0
"""Read the bus again, say everything again, revive dead events: for one service or for all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, TypeAlias

from memoryguard.cli.audit import database_of
from memoryguard.cli.home import Home
from memoryguard.common.contracts.event import Fact
from memoryguard.common.contracts.flow import SERVICES, heard_by
from memoryguard.common.errors import Misconfigured, Rejected
from memoryguard.common.runtime import inbox, replay
from memoryguard.common.runtime.beside import BATCH_RECORDS, Projection, Told, make_beside
from memoryguard.common.runtime.database import RUNTIME_MIGRATIONS, Pool, migrate, open_pool
from memoryguard.common.runtime.history import history, opened
from memoryguard.common.runtime.recovery import recover
from memoryguard.common.runtime.service import Handler
from memoryguard.common.runtime.settings import KafkaSettings

ALL = "all"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the schemas lie: in a database that is named, or else in a home's."""

    home: Home
    database_url: str | None = None


Outcome: TypeAlias = dict[str, Any]
Deed: TypeAlias = Callable[[Pool, str], Awaitable[Outcome]]


async def do(place: Place, named: str, deed: Deed) -> dict[str, Outcome]:
    """Do something to one service, or to all of them in turn; what came of it, by service.

    Raises
    ------
    Rejected
        ``no_such_service``.
    Misconfigured
        ``no_home``, ``database_unreachable``.
    """
    if named not in (*SERVICES, ALL):
        raise Rejected("no_such_service", "there is no such service", ", ".join((*SERVICES, ALL)))
    outcomes: dict[str, Outcome] = {}
    async with database(place) as url:
        for service in SERVICES if named == ALL else (named,):
            async with await open_pool(url, service, 3) as pool:
                await migrate(pool, service, [RUNTIME_MIGRATIONS])  # a backup may be older
                outcomes[service] = await deed(pool, service)
    return outcomes


async def redrive(pool: Pool, service: str) -> Outcome:
    """Make a service's dead events ready again."""
    return {"ready_again": await inbox.redrive(pool)}


def rebuild(told: Told = lambda done, there: None) -> Deed:
    """Derive again what a service derived from events: beside what serves, where that can be."""

    async def deed(pool: Pool, service: str) -> Outcome:
        module = import_module(f"memoryguard.{service}.service")  # only that service
        tables = projection_of(service)
        handlers: Mapping[type[Fact], Handler] | None = getattr(module, "HANDLERS", None)
        if handlers is None:
            return {"generation": await replay.rebuild(pool, tables)}
        topics = sorted(set(heard_by(service).values()))
        async with opened(pool, KafkaSettings(), topics, BATCH_RECORDS) as history:
            return asdict(
                await make_beside(pool, Projection(service, tables, handlers), history, told)
            )

    return deed


async def replay_all(pool: Pool, service: str) -> Outcome:
    """Feed a service everything again."""
    return {"generation": await replay.replay(pool)}


async def recover_from_bus(pool: Pool, service: str) -> Outcome:
    """Tell a restored database what its service has said since the backup."""
    return asdict(await recover(pool, service, history(pool, KafkaSettings())))


async def republish(pool: Pool, service: str) -> Outcome:
    """Have a service say everything again when it starts."""
    return {"to_be_said_again": await replay.republish(pool, service)}


def projection_of(service: str) -> Sequence[str]:
    """Tables that a service derives from events."""
    return getattr(import_module(f"memoryguard.{service}.service"), "PROJECTION", ())


@asynccontextmanager
async def database(place: Place) -> AsyncGenerator[str]:
    """Yield the database's URL; that of a home which is stopped runs for the while."""
    if place.database_url is not None:
        yield place.database_url
        return
    if not place.home.keys.exists():
        raise Misconfigured(
            "no_home",
            "this folder holds no platform",
            "give --home, or --database-url of a running PostgreSQL",
        )
    async with database_of(place.home) as url:
        yield url
