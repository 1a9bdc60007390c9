# SPDX-License-Identifier: Apache-2.0
"""What tests of ingest with a database are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.service import RECIPE


@pytest_asyncio.fixture
async def ingest(database_url: str, tmp_path: Path) -> AsyncGenerator[Platform]:
    """Ingest's platform, on a database and in a folder of its own."""
    settings, _ = folder_settings(tmp_path, database_url)
    async with AsyncExitStack() as stack:
        processes = Processes(1)
        stack.callback(processes.close)
        yield await stack.enter_async_context(
            open_platform("ingest", settings, RECIPE.migrations, processes)
        )
