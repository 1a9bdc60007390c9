# SPDX-License-Identifier: Apache-2.0
"""Every service of the platform, built on real resources as `memoryguard up` builds them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from memoryguard.cli.up import every_recipe
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.tokens import TokenIssuer, generate_key_pair
from memoryguard.common.testing.settings import folder_settings


@dataclass(frozen=True, slots=True)
class Built:
    """Every service with its platform, and the issuer whose tokens they accept."""

    running: list[tuple[Platform, Service]]
    issuer: TokenIssuer


@pytest_asyncio.fixture
async def built(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Built]:
    """All six services; none of them runs yet."""
    monkeypatch.setenv("MEMORYGUARD_AUDIT_SIGNING_KEY", generate_key_pair()[0].decode())
    settings, issuer = folder_settings(tmp_path, database_url)
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
