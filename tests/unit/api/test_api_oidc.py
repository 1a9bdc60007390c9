# SPDX-License-Identifier: Apache-2.0
"""A service that takes an OpenID provider's tokens, from the request to the audit event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from joserfc.jwk import ECKey

from memoryguard.api.service import RECIPE
from memoryguard.common.contracts.event import Fact, decode
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.http.app import build_app
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.testing.settings import folder_settings

ISSUER = "https://idp.example/realms/hospital"
KEY = ECKey.generate_key("P-256", {"kid": "2026"})


def bearer(*roles: str, **claims: object) -> dict[str, str]:
    said = {
        "iss": ISSUER, "aud": "memoryguard", "sub": "f3b1-dora", "exp": int(time.time()) + 60,
        "realm_access": {"roles": list(roles)},
    }  # fmt: skip
    token = jwt.encode({"alg": "ES256", "kid": "2026"}, said | claims, KEY, algorithms=["ES256"])
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def served(
    folder: Path, database_url: str, jwks_url: str
) -> AsyncGenerator[tuple[TestClient, Platform]]:
    settings, _ = folder_settings(folder, database_url)
    oidc = OidcSettings(issuer=ISSUER, jwks_url=jwks_url, roles_claim="realm_access.roles")
    settings = settings.model_copy(update={"oidc": oidc})
    async with AsyncExitStack() as stack:
        processes = Processes(1)
        stack.callback(processes.close)
        platform = await stack.enter_async_context(
            open_platform("api", settings, RECIPE.migrations, processes)
        )
        service = await RECIPE.build(platform, stack)
        app = build_app([(platform, service)], asyncio.Event())
        yield await stack.enter_async_context(TestClient(TestServer(app))), platform


async def said(platform: Platform) -> list[Fact]:
    rows = await platform.pool.fetch("select body from outbox order by position")
    return [decode(row["body"], FACTS).data for row in rows]


@pytest.mark.control("164.312(a)(2)(i)", "accounts")
async def test_the_subject_of_the_token_is_the_actor_in_the_log(
    tmp_path: Path, database_url: str
) -> None:
    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [dict(KEY.as_dict(private=False))]})

    provider = web.Application()
    provider.router.add_get("/keys", keys)
    async with (
        TestServer(provider) as idp,
        served(tmp_path, database_url, str(idp.make_url("/keys"))) as (client, platform),
    ):
        asked = [
            ("/api/v1/sessions", bearer("clinician", "uma_authorization")),
            ("/api/v1/access/grants", bearer("uma_authorization")),
            ("/api/v1/access/grants", bearer("clinician", iss="https://other.example")),
        ]
        answers = [(await client.get(path, headers=headers)).status for path, headers in asked]
        assert answers == [200, 403, 401]
        facts = await said(platform)
        told = [(fact.type.split(".")[2], fact.model_dump()["actor_id"]) for fact in facts]
        assert told == [("read", "f3b1-dora"), ("denied", "f3b1-dora"), ("denied", "anonymous")]


async def test_a_provider_that_was_never_there_is_a_503(tmp_path: Path, database_url: str) -> None:
    async with served(tmp_path, database_url, "http://127.0.0.1:1/keys") as (client, platform):
        response = await client.get("/api/v1/access/grants", headers=bearer("clinician"))
        assert response.status == 503
        assert (await response.json())["code"] == "identity_provider_away"
        assert (await client.get("/api/v1/access/grants")).status == 401
        assert [fact.model_dump()["actor_id"] for fact in await said(platform)] == ["anonymous"]
