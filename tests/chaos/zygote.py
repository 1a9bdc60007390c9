# SPDX-License-Identifier: Apache-2.0
"""A process that has imported everything and forks one service at a time, on order.

Orders are lines of JSON on standard input: ``run``, ``service``, ``environment``, ``kill_at``.
Answers are lines of JSON on standard output: the child's ``pid``, its ``url``, each ``effect`` by
its name, and how it ``ended``. It forks before there is any event loop or thread. Each child has a
keeper, a fork too, that waits for it; so several can run side by side.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import stub_processor
from aiohttp import web
from effects import CountingKafkaBus, CountingStore, Effects, connection_class, tell

from memoryguard.api.service import RECIPE as API
from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.common.http.app import build_app
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Bus
from memoryguard.common.runtime.bus_postgres import PostgresBus
from memoryguard.common.runtime.objects import ObjectStore
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.run import Recipe, run_engine
from memoryguard.common.runtime.settings import PlatformSettings, read, read_settings
from memoryguard.common.runtime.started import say_changed_settings
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.common.security.keyring import KeyRing
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.ml.answer import warm_up as warm_up_ml
from memoryguard.ml.service import RECIPE as ML
from memoryguard.processor.extract import warm_up as warm_up_processor

RECIPES = {r.name: r for r in (INGEST, stub_processor.RECIPE, ATROPHY, ML, AUDIT, API)}
ALREADY_WARM: tuple[Callable[..., object], ...] = (warm_up_ml, warm_up_processor)


class Inline(Processes):
    """CPU work without worker processes: it is pure, and a fork has its models loaded already."""

    def __init__(self) -> None:
        super().__init__(1)

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        if work not in ALREADY_WARM:
            return await asyncio.to_thread(work, *arguments)
        return None


async def serve(recipe: Recipe, settings: PlatformSettings, effects: Effects, run: str) -> None:
    """Run one service on doubled parts until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with AsyncExitStack() as stack:
        platform = await _doubled(recipe, settings, effects, stack)
        service = await recipe.build(platform, stack)
        await say_changed_settings(platform, [read(each) for each in recipe.settings])
        async with asyncio.TaskGroup() as group:
            runner = web.AppRunner(build_app([(platform, service)], stopping), shutdown_timeout=3.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, settings.host, 0).start()
            group.create_task(run_engine(platform, service, stopping))
            tell(run, url=f"http://{settings.host}:{runner.addresses[0][1]}")


async def _doubled(
    recipe: Recipe, settings: PlatformSettings, effects: Effects, stack: AsyncExitStack
) -> Platform:
    url = settings.database_url.get_secret_value()
    pool = await stack.enter_async_context(
        await database.open_pool(
            url, recipe.name, size=14, connection_class=connection_class(effects)
        )
    )
    migrations = [recipe.migrations] if recipe.migrations else []
    await database.migrate(pool, recipe.name, [database.RUNTIME_MIGRATIONS, *migrations])
    platform = await stack.enter_async_context(
        open_platform(recipe.name, settings, recipe.migrations, Inline())
    )
    bus: Bus = PostgresBus(pool)
    if settings.kafka.servers:
        bus = await stack.enter_async_context(CountingKafkaBus(settings.kafka, effects))
    store: Any = CountingStore(platform.store, effects)
    keyring = KeyRing.from_setting(settings.encryption_keys.get_secret_value())
    return replace(platform, pool=pool, bus=bus, store=store, objects=ObjectStore(store, keyring))


def _child(order: dict[str, Any]) -> None:
    os.environ.update(order["environment"])
    set_up_logging("ERROR")
    effects = Effects(order["run"], order["kill_at"])
    asyncio.run(serve(RECIPES[order["service"]], read_settings(), effects, order["run"]))


def _forked(work: Callable[[], None]) -> int:
    """Do work in a fork, which ends with it; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # the fork ends here, whatever happened
        traceback.print_exc()
    finally:
        os._exit(code)


def _keep(order: dict[str, Any]) -> None:
    pid = _forked(lambda: _child(order))
    tell(order["run"], pid=pid)
    _, status = os.waitpid(pid, 0)
    tell(order["run"], ended=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Fork a child for each order."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    warm = False
    for line in sys.stdin:
        order = json.loads(line)
        if order["service"] == "ml" and not warm:
            warm_up_ml()
            warm = True
        _forked(lambda order=order: _keep(order))


if __name__ == "__main__":
    main()
