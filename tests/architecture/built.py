# SPDX-License-Identifier: Apache-2.0
"""Every service of the platform, built on real resources as `memoryguard up` builds them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from memoryguard.cli.up import every_recipe
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.tokens import TokenIssuer
from memoryguard.common.testing.settings import folder_settings


@dataclass(frozen=True, slots=True)
class Built:
    """Every service with its platform, and the issuer whose tokens they accept."""

    running: list[tuple[Platform, Service]]
    issuer: TokenIssuer


@asynccontextmanager
async def build_all(folder: Path, database_url: str) -> AsyncGenerator[Built]:
    """All six services; none of them runs yet."""
    settings, issuer = folder_settings(folder, database_url)
    processes = Processes(1)
    async with AsyncExitStack() as stack:
        stack.callback(processes.close)
        running: list[tuple[Platform, Service]] = []
        for recipe in every_recipe():
            platform = await stack.enter_async_context(
                open_platform(recipe.name, settings, recipe.migrations, processes)
            )
            running.append((platform, await recipe.build(platform, stack)))
        yield Built(running, issuer)
