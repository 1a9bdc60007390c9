# SPDX-License-Identifier: Apache-2.0
"""One running ingest, with real PostgreSQL, for all ways in."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio
from intake_site import Site, running_intake

from memoryguard.cli.home import Home
from memoryguard.cli.up import Running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[tuple[Home, Running]]:
    async with running_intake(tmp_path_factory.mktemp("intake"), postgres_url) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def site(place: tuple[Home, Running]) -> AsyncGenerator[Site]:
    async with aiohttp.ClientSession() as session:
        yield Site(*place, session, f"person-{uuid.uuid4().hex[:8]}")
