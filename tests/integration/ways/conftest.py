# SPDX-License-Identifier: Apache-2.0
"""One running ingest, with real PostgreSQL, for all ways in."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio
from intake_site import Site

from memoryguard.cli.home import Home, make_home
from memoryguard.cli.up import Running, platform
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.service import RECIPE as INGEST


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[tuple[Home, Running]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYGUARD_INGEST_QUIET_S", "0.2")
        home = make_home(tmp_path_factory.mktemp("intake") / "home")
        async with (
            fresh_database(postgres_url) as url,
            platform(home, database_url=url, recipes=[INGEST]) as running,
        ):
            yield home, running


@pytest_asyncio.fixture(loop_scope="module")
async def site(place: tuple[Home, Running]) -> AsyncGenerator[Site]:
    async with aiohttp.ClientSession() as session:
        yield Site(*place, session, f"person-{uuid.uuid4().hex[:8]}")
