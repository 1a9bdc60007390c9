# SPDX-License-Identifier: Apache-2.0
"""Run services: feeder, worker and relay of each, and one HTTP server for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web
from pydantic_settings import BaseSettings

from memoryguard.common.errors import EX_CONFIG, Corrupt, MemoryGuardError, Misconfigured
from memoryguard.common.http.app import build_app
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.feeder import Feeder
from memoryguard.common.runtime.outbox import Relay
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes, share_one_heap
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.settings import PlatformSettings, read, read_settings
from memoryguard.common.runtime.started import say_changed_settings
from memoryguard.common.runtime.telemetry import INBOX_ROWS, set_up_logging, set_up_tracing
from memoryguard.common.runtime.waiting import endless, pause
from memoryguard.common.runtime.worker import Worker
from memoryguard.common.security.tls import check_transport, server_context

logger = logging.getLogger(__name__)

GAUGE_S = 5.0
DRAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a service is built: its name, its migrations, and a function of its resources.

    ``settings`` names its own settings classes: that one of them changed is an event.
    """

    name: str
    build: Callable[[Platform, AsyncExitStack], Awaitable[Service]]
    migrations: str | None = None
    settings: Sequence[type[BaseSettings]] = ()


Running: TypeAlias = tuple[Platform, Service]


async def run_engine(platform: Platform, service: Service, stopping: asyncio.Event) -> None:
    """Run one service's loops until told to stop; then drain the rows in hand."""
    worker = Worker(service, platform.pool, platform.outbox)
    feeder = Feeder(service, platform.pool, platform.bus, platform.outbox, worker)
    relay = Relay(platform.pool, platform.bus, platform.outbox)
    async with asyncio.TaskGroup() as group:
        loops = [
            group.create_task(endless(loop))
            for loop in (
                feeder.run(),
                relay.run(),
                _gauge(platform),
                *(task() for task in service.background),
            )
        ]
        working = group.create_task(endless(worker.run()))
        await stopping.wait()
        worker.stop()
        await asyncio.wait([working], timeout=DRAIN_S)
        for task in [*loops, working]:
            task.cancel()
        await asyncio.wait([*loops, working])
    with contextlib.suppress(*AWAY):  # what is left is published at the next start
        await relay.drain()


async def _gauge(platform: Platform) -> None:
    while True:
        with contextlib.suppress(*AWAY):
            for state, rows in (await inbox.count(platform.pool)).items():
                INBOX_ROWS.labels(platform.name, state).set(rows)
        await pause(GAUGE_S)


@asynccontextmanager
async def serving(
    recipes: Sequence[Recipe], settings: PlatformSettings
) -> AsyncGenerator[tuple[str, asyncio.Event]]:
    """Run the services in this process.

    Yields
    ------
    tuple
        The base URL, and an event: set it to stop.
    """
    check_transport(settings)
    share_one_heap()
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        processes = Processes(settings.cpu_workers)
        stack.callback(processes.close)
        running: list[Running] = []
        for recipe in recipes:
            platform = await stack.enter_async_context(
                open_platform(recipe.name, settings, recipe.migrations, processes)
            )
            running.append((platform, await recipe.build(platform, stack)))
            await say_changed_settings(platform, [read(each) for each in recipe.settings])
        async with asyncio.TaskGroup() as group:
            # Handlers that wait on a stream end when they see the event.
            app = build_app(running, stopping)
            for platform, service in running:
                group.create_task(run_engine(platform, service, stopping))
            url = await stack.enter_async_context(_listening(app, settings))
            try:
                yield url, stopping
            finally:
                stopping.set()


@asynccontextmanager
async def _listening(app: web.Application, settings: PlatformSettings) -> AsyncGenerator[str]:
    tls = server_context(settings)
    runner = web.AppRunner(app, shutdown_timeout=3.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(
                "port_taken", f"port {settings.port} is taken", "choose another with --port"
            ) from error
        port: int = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://{settings.host}:{port}"
    finally:
        await runner.cleanup()


async def run_until_signal(recipes: Sequence[Recipe], settings: PlatformSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    async with serving(recipes, settings) as (url, stopping):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        logger.info("serving", extra={"url": url, "services": [r.name for r in recipes]})
        await stopping.wait()


def main(recipe: Recipe) -> None:
    """Entry point of one service alone: settings, then serve."""
    try:
        settings = read_settings()
        set_up_logging(settings.log_level)
        set_up_tracing(recipe.name, to_console=settings.trace_to_console)
        asyncio.run(run_until_signal([recipe], settings))
    except* Misconfigured as group:
        _tell(group)
        raise SystemExit(EX_CONFIG) from None
    except* Corrupt as group:
        _tell(group)
        raise SystemExit(1) from None


def _tell(group: BaseExceptionGroup[MemoryGuardError]) -> None:
    """Say each error in one line; groups nest as task groups do."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            _tell(error)
        else:
            print(f"{error} ({error.hint})" if error.hint else error, file=sys.stderr)
