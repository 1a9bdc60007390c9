# SPDX-License-Identifier: Apache-2.0
"""The service on a database of its own, with its routes on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from described import hold_to_its_word

from memoryguard.api.service import RECIPE
from memoryguard.common.contracts.event import Event, Fact, decode
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.http.app import build_app
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.tokens import TokenIssuer
from memoryguard.common.testing.settings import folder_settings

Client = TestClient[Request, Application]


@dataclass
class Api:
    """The service under test."""

    platform: Platform
    service: Service
    issuer: TokenIssuer

    def bearer(self, user_id: str, role: str = "patient") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.issue(user_id, [role])}"}

    async def hear(self, *events: Event) -> None:
        """Record events as the worker would, one transaction each."""
        for event in events:
            handler = self.service.handlers[type(event.data)]
            async with self.platform.pool.acquire() as connection, connection.transaction():
                if handler.record_all:
                    await handler.record_all([event], connection)
                else:
                    assert handler.record
                    assert list(await handler.record(event, connection)) == []

    async def said(self) -> list[Fact]:
        """What the service has said so far."""
        rows = await self.platform.pool.fetch("select body from outbox order by position")
        return [decode(row["body"], FACTS).data for row in rows]


@pytest_asyncio.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncGenerator[Api]:
    settings, issuer = folder_settings(tmp_path, database_url)
    async with AsyncExitStack() as stack:
        processes = Processes(1)
        stack.callback(processes.close)
        platform = await stack.enter_async_context(
            open_platform("api", settings, RECIPE.migrations, processes)
        )
        yield Api(platform, await RECIPE.build(platform, stack), issuer)


@pytest_asyncio.fixture
async def stopping() -> asyncio.Event:
    return asyncio.Event()


@pytest_asyncio.fixture
async def client(api: Api, stopping: asyncio.Event) -> AsyncGenerator[Client]:
    app = hold_to_its_word(build_app([(api.platform, api.service)], stopping), api.service)
    async with TestClient(TestServer(app)) as client:
        yield client
