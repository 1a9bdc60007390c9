# SPDX-License-Identifier: Apache-2.0
"""One stage for crash points and their controls: the flow, run once undisturbed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from stage import Stage, open_stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[Stage]:
    """Worlds of all services, and a zygote."""
    async with open_stage(tmp_path_factory.mktemp("crash"), postgres_url) as opened:
        yield opened
