# SPDX-License-Identifier: Apache-2.0
"""Audit on a socket, over a log that a test fills with facts at moments of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from described import hold_to_its_word

from memoryguard.audit import log
from memoryguard.audit.filing import Filing
from memoryguard.audit.sealing import Seal
from memoryguard.audit.service import RECIPE
from memoryguard.audit.settings import AuditSettings
from memoryguard.common.contracts.event import Event, Fact, decode, new_event
from memoryguard.common.contracts.flow import FACTS, TOPIC_OF
from memoryguard.common.http.app import build_app
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.policy import Role
from memoryguard.common.security.tokens import TokenIssuer, generate_key_pair
from memoryguard.common.testing.settings import folder_settings
from memoryguard.tlog.note import Signer

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
OFFICER = "officer"


@dataclass(frozen=True, slots=True)
class House:
    """Audit, answering. Its appender does not run: nothing is logged but what a test logs."""

    platform: Platform
    service: Service
    client: TestClient
    issuer: TokenIssuer
    signer: Signer

    def bearer(self, user_id: str = OFFICER, role: Role = "compliance") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.issue(user_id, [role])}"}

    def subject(self, user_id: str) -> str:
        return self.platform.vault.user_subject_id(user_id)

    async def log(
        self,
        *facts: Fact,
        start: datetime = START,
        step_s: float = 60.0,
        source: str = "/memoryguard/test",
    ) -> None:
        """Log facts, one a minute, as events of some source."""
        bodies = [
            (
                fact,
                new_event(fact, source=source, time=start + n * timedelta(seconds=step_s)),
            )
            for n, fact in enumerate(facts)
        ]
        await self.append(
            [
                Received(TOPIC_OF[type(f)], f.subject_id, e.to_bytes(), n)
                for n, (f, e) in enumerate(bodies)
            ]
        )

    async def append(self, records: Sequence[Received]) -> None:
        filing, seal = Filing(self.platform.vault), Seal(self.platform.objects.keys)
        filed = [filing.file(record) for record in records]
        keys = await seal.subject_keys({each.fields["subject_id"] for each in filed})
        async with self.platform.pool.acquire() as connection, connection.transaction():
            assert await log.append(connection, filed, keys) == []

    async def sign(self) -> None:
        async with self.platform.pool.acquire() as connection, connection.transaction():
            assert await log.sign(connection, self.signer)

    async def said(self) -> list[Event]:
        """What audit has said so far."""
        rows = await self.platform.pool.fetch("select body from outbox order by position")
        return [decode(row["body"], FACTS) for row in rows]


@asynccontextmanager
async def audit_house(folder: Path, database_url: str) -> AsyncGenerator[House]:
    settings, issuer = folder_settings(folder, database_url)
    key = generate_key_pair()[0].decode()
    processes = Processes(1)
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv(
            "MEMORYGUARD_AUDIT_SIGNING_KEY", key
        )
        stack.callback(processes.close)
        platform = await stack.enter_async_context(
            open_platform("audit", settings, RECIPE.migrations, processes)
        )
        service = await RECIPE.build(platform, stack)
        app = hold_to_its_word(build_app([(platform, service)], asyncio.Event()), service)
        client = await stack.enter_async_context(TestClient(TestServer(app)))
        yield House(platform, service, client, issuer, AuditSettings().signer())
