# SPDX-License-Identifier: Apache-2.0
"""Every route of every service has a policy, and lets nobody in without a token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import get_args

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import AbstractRoute
from built import Built

from memoryguard.api.webapp import PAGES as APP
from memoryguard.common.http.app import build_app
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Policy, Role
from memoryguard.common.security.tokens import TokenIssuer, generate_key_pair
from memoryguard.common.testing.settings import ISSUER

SAMPLE = "a" * 24  # fits every pattern of a path

PUBLIC = {
    "/health/live", "/health/ready", "/metrics",  # tell nothing about anybody
    "/api/v1/audit/key",    # verifies, opens nothing
    "/api/v1/sign-in",      # whether there is a provider
    "/sign-in/oidc", "/sign-in/callback",  # lead to the provider, which asks, and back
    "/s/{code}",            # the code in the link is the secret
    "/static/{name}", "/assets/{name}",  # what pages are drawn with
    "/api", "/api/v1/openapi.json",      # how the API is used
    "/api/v1/imaging/{imaging_id}/fhir/metadata",  # the same of every scan, there or not
    *APP,                   # the application, the same for everybody
}  # fmt: skip
"""Routes without a token. A new one is written here only with a reason like these."""
PAGES = {"/sign-out"}  # answer a refusal with a page


@dataclass(frozen=True, slots=True)
class Open:
    """A route as the server has it."""

    method: str
    path: str
    url: str
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Door:
    client: TestClient
    routes: list[Open]
    issuer: TokenIssuer

    async def knock(self, route: Open, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.request(route.method, route.url, headers=headers) as response:
            if response.status == 401 and route.path not in PAGES:
                assert response.content_type == "application/problem+json"
                assert (await response.json())["code"] == "invalid_token"
            return response.status

    def guarded(self) -> list[tuple[Open, Policy]]:
        return [(r, r.policy) for r in self.routes if r.policy and not r.policy.public]


@pytest_asyncio.fixture
async def door(built: Built) -> AsyncGenerator[Door]:
    app = build_app(built.running, asyncio.Event())
    declared = {(r.method, _plain(r.path)): r for _, s in built.running for r in s.routes}
    async with TestClient(TestServer(app)) as client:
        yield Door(client, [_open(route, declared) for route in app.router.routes()], built.issuer)


def _plain(path: str) -> str:
    """Path without the patterns of its parameters: ``{code:[a-z]+}`` is ``{code}``."""
    return "/".join(f"{p.split(':')[0]}}}" if ":" in p else p for p in path.split("/"))


def _open(route: AbstractRoute, declared: dict[tuple[str, str], Route]) -> Open:
    assert route.resource
    path = route.resource.canonical
    known = declared.get((route.method, path))
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    url = str(route.resource.url_for(**dict.fromkeys(names, SAMPLE)) if names else path)
    return Open(route.method, path, url, known.policy if known else None)


async def test_every_route_has_a_policy(built: Built, door: Door) -> None:
    for _, service in built.running:
        for route in service.routes:
            assert isinstance(route.policy, Policy), route.path
            assert route.policy.action
    own = {"/health/live", "/health/ready", "/metrics"}
    assert {r.path for r in door.routes if r.policy is None} == own
    assert len(door.routes) == len({(r.method, r.path) for r in door.routes})


async def test_only_known_routes_are_public(door: Door) -> None:
    assert {r.path for r in door.routes if not r.policy or r.policy.public} == PUBLIC


async def test_without_a_token_nothing_opens(door: Door) -> None:
    answers = {(r.method, r.path): await door.knock(r) for r, _ in door.guarded()}
    assert len(answers) >= 12
    assert {key: status for key, status in answers.items() if status != 401} == {}


async def test_pages_ask_for_a_session(door: Door) -> None:
    pages = [route for route in door.routes if route.path in PAGES]
    assert [await door.knock(route) for route in pages] == [401] * len(PAGES)


async def test_wrong_tokens_open_nothing(door: Door) -> None:
    forger = TokenIssuer(generate_key_pair()[0], ISSUER)
    for token in (
        "nonsense",
        forger.issue("somebody", get_args(Role)),
        door.issuer.issue("somebody", get_args(Role), lifetime_s=-60),
    ):
        for route, _ in door.guarded():
            assert await door.knock(route, token) == 401, route.path


async def test_a_role_that_may_not_is_refused(door: Door) -> None:
    for route, policy in door.guarded():
        for role in sorted(set(get_args(Role)) - policy.roles):
            token = door.issuer.issue("somebody", [role])
            assert await door.knock(route, token) == 403, f"{role} {route.method} {route.path}"
