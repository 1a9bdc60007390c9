# SPDX-License-Identifier: Apache-2.0
"""Real parts that tests are given."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.common.runtime.topics import create_topics
from memoryguard.common.testing.broker import Broker
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


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """Apache Kafka's jars, fetched with Maven or in ``KAFKA_JARS``. In CI they must be there."""
    if given := os.environ.get("KAFKA_JARS"):
        return Path(given)
    fetched = subprocess.run(
        ["make", "-s", ".kafka/libs"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if fetched.returncode != 0:
        why = f"REAL KAFKA IS NOT TESTED HERE: {(fetched.stdout + fetched.stderr).strip()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return REPOSITORY / ".kafka" / "libs"


@pytest.fixture(scope="session")
def kafka_servers(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """One real broker for the whole run; whoever disturbs it starts one of their own."""
    with Broker(kafka_jars, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.servers


@pytest_asyncio.fixture
async def kafka(kafka_servers: str) -> KafkaSettings:
    """Settings with topics of their own in the shared broker."""
    settings = KafkaSettings(
        servers=kafka_servers,
        prefix=f"t{uuid.uuid4().hex[:10]}.",
        partitions=2,
        session_timeout_s=2.0,
    )
    await create_topics(settings)
    return settings


@pytest.fixture
def shared_data() -> Path:
    """Real T1s and label maps beside the checkout; they are not part of the repository."""
    for folder in (REPOSITORY, *REPOSITORY.parents):
        data = folder.parent / "shared" / "data"
        if data.is_dir():
            return data
    pytest.skip("no shared/data beside the checkout: real T1s are not measured here")
