# SPDX-License-Identifier: Apache-2.0
"""Real parts that tests are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.testing.databases import fresh_database

REPOSITORY = Path(__file__).parents[1]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """One embedded PostgreSQL for the whole run."""
    folder = tmp_path_factory.mktemp("pg")
    async with embedded_postgres(folder, durable=False) as url:
        yield url


@pytest_asyncio.fixture
async def database_url(postgres_url: str) -> AsyncGenerator[str]:
    """A database of its own, with every service's role and schema."""
    async with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def shared_data() -> Path:
    """Real T1s and label maps beside the checkout; they are not part of the repository."""
    for folder in (REPOSITORY, *REPOSITORY.parents):
        data = folder.parent / "shared" / "data"
        if data.is_dir():
            return data
    pytest.skip("no shared/data beside the checkout: real T1s are not measured here")
