# SPDX-License-Identifier: Apache-2.0
"""The api on a socket, with one finished scan of Anna's; any of its parts can be another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp.test_utils import TestClient, TestServer
from examples import example

from memoryguard.api import imaging
from memoryguard.api.access import Access
from memoryguard.api.service import RECIPE
from memoryguard.api.settings import ApiSettings
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Fact, decode, new_event
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.contracts.parts import Basis
from memoryguard.common.http.app import build_app
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.security.policy import ROLES, Policy
from memoryguard.common.security.tokens import TokenIssuer
from memoryguard.common.testing.settings import folder_settings

SCAN, ANNA = "scan-of-anna", "anna"
STATUS, ANALYSIS = f"/api/v1/imaging/{SCAN}/status", f"/api/v1/imaging/{SCAN}/analysis"

OtherPlatform: TypeAlias = Callable[[Platform], Platform]
OtherService: TypeAlias = Callable[[Platform, Service], Service]
Who: TypeAlias = tuple[str, str]
"""An account and its role."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """The service under test."""

    platform: Platform
    client: TestClient[Any, Any]
    issuer: TokenIssuer

    def bearer(self, account: str, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.issue(account, [role])}"}

    async def ask(
        self, method: str, path: str, who: Who | None = None, **options: Any
    ) -> tuple[int, str]:
        """Ask as an account in a role, or as a stranger; status and body."""
        headers = options.pop("headers", None) or (self.bearer(*who) if who else {})
        options = {"headers": headers, "allow_redirects": False} | options
        async with self.client.request(method, path, **options) as response:
            return response.status, await response.text()

    async def status(self, path: str, who: Who | None = None, **options: Any) -> int:
        return (await self.ask("GET", path, who, **options))[0]

    async def said(self) -> list[Fact]:
        rows = await self.platform.pool.fetch("select body from outbox order by position")
        return [decode(row["body"], FACTS).data for row in rows]

    async def told(self) -> list[tuple[str, str]]:
        """Who was let read or refused, in order."""
        words = {e.AccessRead: "read", e.AccessDenied: "denied"}
        return [(words[type(f)], f.model_dump()["actor_id"]) for f in await self.said()
                if type(f) in words]  # fmt: skip


@asynccontextmanager
async def open_clinic(
    folder: Path,
    database_url: str,
    *,
    settings: Mapping[str, Any] | None = None,
    platform: OtherPlatform = lambda platform: platform,
    service: OtherService = lambda _, service: service,
) -> AsyncGenerator[Clinic]:
    """Serve the api as it is built, or with other settings, resources or routes in their place."""
    plain, issuer = folder_settings(folder, database_url)
    async with AsyncExitStack() as stack:
        processes = Processes(1)
        stack.callback(processes.close)
        opened = await stack.enter_async_context(
            open_platform(
                "api", plain.model_copy(update=settings or {}), RECIPE.migrations, processes
            )
        )
        built = await RECIPE.build(opened, stack)
        await _hear(opened, built)
        swapped = platform(opened)
        served = service(swapped, await RECIPE.build(swapped, stack))
        app = build_app([(swapped, served)], asyncio.Event())
        client = await stack.enter_async_context(TestClient(TestServer(app)))
        yield Clinic(swapped, client, issuer)


async def _hear(platform: Platform, service: Service) -> None:
    """Have the service hear of a scan with every result."""
    for kind in (e.ScanReceived, e.VolumesExtracted, e.AtrophyScored, e.RiskPredicted):
        changes: dict[str, Any] = {"scan_id": SCAN, "user_id": ANNA}
        changes |= {"picture": None} if kind is e.VolumesExtracted else {}
        record = service.handlers[kind].record_all
        assert record
        async with platform.pool.acquire() as connection, connection.transaction():
            await record([new_event(example(kind, **changes), source="/test")], connection)


# --- parts that stand in for a control and do nothing -------------------------------------------


class Forgetful(Outbox):
    """Says that everything is written, and writes nothing."""

    async def append(self, transaction: Any, facts: Sequence[Fact], **_: Any) -> list[Any]:
        return self.events(facts, None, 1)


def forgets(platform: Platform) -> Platform:
    return replace(platform, outbox=Forgetful(platform.name))


class Open(Access):
    """Does not ask whose data it is."""

    async def basis(self, *_: Any) -> Basis | None:
        return "role"


def showing(access: type[Access]) -> OtherService:
    """Scans, shown to whom this says."""

    def swapped(platform: Platform, service: Service) -> Service:
        others = imaging.routes(platform, access(platform, ApiSettings()))
        return replace(service, routes=instead(service.routes, others))

    return swapped


def opened(routes: Sequence[Route]) -> list[Route]:
    """The same routes, for every role."""
    return [
        replace(r, policy=replace(r.policy, roles=ROLES)) if r.policy.roles else r for r in routes
    ]


def unaudited(routes: Sequence[Route]) -> list[Route]:
    """The same routes, of which nothing is recorded."""
    return [replace(route, policy=_silent(route.policy)) for route in routes]


def _silent(policy: Policy) -> Policy:
    return replace(policy, audited=False)


def instead(routes: Sequence[Route], others: Sequence[Route]) -> list[Route]:
    """These routes, of which some are served by others."""
    places = {(route.method, route.path): route for route in others}
    return [places.get((route.method, route.path), route) for route in routes]
