# SPDX-License-Identifier: Apache-2.0
"""The whole platform in one process: embedded PostgreSQL, every service, one port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from memoryguard.cli.home import Home
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.runtime.database import prepare
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.run import Recipe, serving
from memoryguard.common.runtime.settings import read_settings
from memoryguard.common.runtime.telemetry import set_up_tracing


@dataclass(frozen=True, slots=True)
class Running:
    """A platform that serves: where, on which database, and how to stop it."""

    url: str
    database_url: str
    stopping: asyncio.Event


def every_recipe() -> list[Recipe]:
    """Build plans of all services; imported here so that other commands start fast."""
    from memoryguard.api.service import RECIPE as API
    from memoryguard.atrophy.service import RECIPE as ATROPHY
    from memoryguard.audit.service import RECIPE as AUDIT
    from memoryguard.ingest.service import RECIPE as INGEST
    from memoryguard.ml.service import RECIPE as ML
    from memoryguard.processor.service import RECIPE as PROCESSOR

    return [INGEST, PROCESSOR, ATROPHY, ML, AUDIT, API]


@asynccontextmanager
async def platform(
    home: Home,
    *,
    database_url: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    recipes: Sequence[Recipe] | None = None,
) -> AsyncGenerator[Running]:
    """Run the platform of a home.

    Parameters
    ----------
    home
        Its folder.
    database_url
        A server of one's own instead of the embedded one; its login may make roles.
    host, port
        Where to listen; port 0 takes a free one.
    recipes
        Services to run; all by default.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(home.locked())
        if database_url is None:
            database_url = await stack.enter_async_context(
                embedded_postgres(home.folder / "postgres")
            )
        await prepare(database_url, SERVICES)
        # The services read their settings as they do when each runs alone.
        os.environ.update(home.environment(database_url))
        os.environ.setdefault("MEMORYGUARD_CPU_WORKERS", "2")
        settings = read_settings().model_copy(update={"host": host, "port": port})
        set_up_tracing("all", to_console=settings.trace_to_console)
        url, stopping = await stack.enter_async_context(
            serving(recipes or every_recipe(), settings)
        )
        stack.enter_context(home.announced(url, database_url))
        yield Running(url, database_url, stopping)


async def serve_until_signal(running: Running) -> None:
    """Wait for SIGTERM or SIGINT; the caller's context then drains."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stopping.set)
    await running.stopping.wait()
