# SPDX-License-Identifier: Apache-2.0
"""Signing in at an OpenID provider: a real one over HTTP, and what signs nobody in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from identity_provider import CLIENT, SECRET, WHO, IdentityProvider
from joserfc.jwk import ECKey
from pydantic import SecretStr
from yarl import URL

from memoryguard.api.provider import open_provider
from memoryguard.api.service import RECIPE
from memoryguard.api.sessions import Sessions
from memoryguard.api.settings import ApiSettings
from memoryguard.api.sign_in import SignIn
from memoryguard.api.single_sign_on import BEGIN, COOKIE, LIFETIME, SingleSignOn
from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Misconfigured
from memoryguard.common.http.app import SESSION_COOKIE, build_app
from memoryguard.common.runtime.platform import Platform, open_platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.testing.settings import folder_settings

OTHER = ECKey.generate_key("P-256", {"kid": "2026"})


@dataclass
class Site:
    """The api with this provider, as a browser reaches it, and the browser."""

    idp: IdentityProvider
    platform: Platform
    browser: TestClient[web.Request, web.Application]

    async def begin(self, path: str = "/imaging/x") -> URL:
        """Go to the provider; the address that it is reached at."""
        response = await self.browser.get(BEGIN, params={"path": path}, allow_redirects=False)
        assert response.status == 303
        assert response.headers["Referrer-Policy"] == "no-referrer"
        return URL(response.headers["Location"])

    async def back(self, there: URL) -> URL:
        """Sign in there; the address that the provider sends the browser back to."""
        response = await self.browser.session.get(there, allow_redirects=False)
        assert response.status == 302
        return URL(response.headers["Location"])

    async def arrive(self, back: URL) -> ClientResponse:
        return await self.browser.get(back.relative(), allow_redirects=False)

    async def sign_in(self, path: str = "/imaging/x") -> ClientResponse:
        return await self.arrive(await self.back(await self.begin(path)))

    async def signed_in(self) -> bool:
        return (await self.browser.get("/api/v1/sessions")).status == 200

    async def refused(self, response: ClientResponse, code: str, status: int = 400) -> None:
        """Check that nobody came in, that a page says so, and that the log knows why."""
        assert (response.status, response.content_type) == (status, "text/html")
        assert "<h1>" in await response.text()
        assert SESSION_COOKIE not in response.cookies
        denied = [each for each in await self.said() if each.get("action") == "session.oidc"]
        assert code in {each.get("code") for each in denied}  # the same again is told together
        assert not await self.signed_in()

    async def said(self) -> list[dict[str, Any]]:
        rows = await self.platform.pool.fetch("select body from outbox order by position")
        return [decode(row["body"], FACTS).data.model_dump() for row in rows]


def settings_of(**changes: Any) -> ApiSettings:
    return ApiSettings(
        oidc_client_id=CLIENT,
        oidc_client_secret=SecretStr(SECRET),
        oidc_redirect_url="https://memoryguard.example/sign-in/callback",
    ).model_copy(update=changes)


@pytest_asyncio.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncGenerator[Site]:
    async with AsyncExitStack() as stack:
        idp = IdentityProvider()
        server = await stack.enter_async_context(TestServer(idp.app()))
        idp.url = str(server.make_url("/")).rstrip("/")
        settings, _ = folder_settings(tmp_path, database_url)
        settings = settings.model_copy(update={"oidc": OidcSettings(issuer=idp.url)})
        processes = Processes(1)
        stack.callback(processes.close)
        platform = await stack.enter_async_context(
            open_platform("api", settings, RECIPE.migrations, processes)
        )
        sessions = Sessions(platform.pool, LIFETIME)
        provider = await open_provider(settings.oidc, settings_of(), stack)
        routes = [
            *SignIn(platform, sessions).routes(),
            *SingleSignOn(platform, sessions, provider).routes(),
        ]
        service = Service("api", routes=routes, session=sessions.token_of)
        app = build_app([(platform, service)], asyncio.Event())
        browser = await stack.enter_async_context(TestClient(TestServer(app)))
        yield Site(idp, platform, browser)


@pytest.mark.control("164.312(d)", "tokens")
async def test_a_browser_comes_back_with_a_session_on_its_page(site: Site) -> None:
    assert await (await site.browser.get("/api/v1/sign-in")).json() == {"oidc": BEGIN}
    response = await site.sign_in()
    assert (response.status, response.headers["Location"]) == (303, "/imaging/x")
    cookie = response.cookies[SESSION_COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    session = await (await site.browser.get("/api/v1/sessions")).json()
    assert (session["user_id"], session["roles"]) == (WHO, ["clinician"])
    came = [each for each in await site.said() if each.get("action") == "session.oidc"]
    assert [(each["actor_id"], each["user_id"]) for each in came] == [(WHO, WHO)]
    assert await site.platform.pool.fetchval("select count(*) from sign_in") == 0


async def test_the_way_there_tells_the_provider_nothing_that_opens(site: Site) -> None:
    there = await site.begin()
    (kept,) = await site.platform.pool.fetch("select * from sign_in")
    cookie = next(each for each in site.browser.session.cookie_jar if each.key == COOKIE)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/sign-in")
    assert cookie.value not in str(there) + repr(tuple(kept.values()))
    assert "code_verifier" not in there.query
    assert there.query["nonce"] != there.query["state"]
    assert there.query["redirect_uri"] == "https://memoryguard.example/sign-in/callback"


async def test_the_way_back_never_leads_elsewhere(site: Site) -> None:
    for path in ("//evil.example", "https://evil.example", "/\\evil", "", "/a\r\nX: y", "imaging"):
        assert (await site.sign_in(path)).headers["Location"] == "/"


Change = Callable[[URL], URL]


WAYS_BACK: list[tuple[Change, str]] = [
    (lambda back: back.update_query(state="x" * 43), "wrong_state"),
    (lambda back: back.update_query(state="é"), "wrong_state"),
    (lambda back: back.without_query_params("state"), "wrong_state"),
    (lambda back: back.update_query(code="invented"), "sign_in_refused"),
    (lambda back: back.without_query_params("code").update_query(error="no"), "sign_in_refused"),
    (lambda back: back.update_query(iss="https://other.example"), "sign_in_refused"),
]


async def test_another_way_back_signs_nobody_in(site: Site) -> None:
    for change, code in WAYS_BACK:
        back = await site.back(await site.begin())
        await site.refused(await site.arrive(change(back)), code)


async def test_a_way_back_without_the_cookie_signs_nobody_in(site: Site) -> None:
    """Somebody else's way back, which a link could bring into this browser."""
    back = await site.back(await site.begin())
    site.browser.session.cookie_jar.clear()
    await site.refused(await site.arrive(back), "wrong_state")


async def test_a_way_back_works_once(site: Site) -> None:
    back = await site.back(await site.begin())
    cookie = next(each for each in site.browser.session.cookie_jar if each.key == COOKIE).value
    assert (await site.arrive(back)).status == 303
    site.browser.session.cookie_jar.clear()
    site.browser.session.cookie_jar.update_cookies({COOKIE: cookie}, site.browser.make_url("/"))
    await site.refused(await site.arrive(back), "sign_in_expired")


async def test_a_way_back_runs_out(site: Site) -> None:
    back = await site.back(await site.begin())
    await site.platform.pool.execute("update sign_in set expires_at = now()")
    await site.refused(await site.arrive(back), "sign_in_expired")


async def test_two_sign_ins_do_not_mix(site: Site) -> None:
    """The code of one with the state of another one: the provider's PKCE check fails."""
    first = await site.back(await site.begin())
    second = await site.back(await site.begin())
    mixed = second.update_query(code=first.query["code"])
    await site.refused(await site.arrive(mixed), "sign_in_refused")


TOKENS: list[tuple[str, dict[str, Any], str]] = [
    ("id_token", {"nonce": "another"}, "wrong_nonce"),
    ("id_token", {"nonce": None}, "wrong_nonce"),
    ("id_token", {"aud": "another client"}, "invalid_token"),
    ("id_token", {"aud": [CLIENT, "other"], "azp": "other"}, "sign_in_refused"),
    ("id_token", {"iss": "https://other.example"}, "invalid_token"),
    ("id_token", {"exp": 1}, "invalid_token"),
    ("id_token", {"sub": "somebody-else"}, "sign_in_refused"),
    ("access_token", {"aud": CLIENT}, "invalid_token"),
    ("access_token", {"exp": 1}, "invalid_token"),
    ("access_token", {"roles": ["uma_authorization"]}, "no_role"),
]


@pytest.mark.control("164.312(d)", "tokens")
async def test_tokens_for_something_else_sign_nobody_in(site: Site) -> None:
    for kind, claims, code in TOKENS:
        site.idp.claims = {kind: claims}
        await site.refused(await site.sign_in(), code)


async def test_tokens_under_another_key_sign_nobody_in(site: Site) -> None:
    site.idp.key = OTHER
    await site.refused(await site.sign_in(), "invalid_token")


async def test_a_provider_that_is_away_is_a_page(site: Site) -> None:
    back = await site.back(await site.begin())
    site.idp.status = 503
    response = await site.arrive(back)
    assert (response.status, response.content_type) == (503, "text/html")
    site.idp.discovery = {"issuer": "https://other.example"}
    response = await site.browser.get(BEGIN, allow_redirects=False)
    assert (response.status, response.content_type) == (503, "text/html")
    assert not await site.signed_in()


@pytest.mark.parametrize(
    ("oidc", "changes"),
    [
        (OidcSettings(), {}),
        (OidcSettings(issuer="https://idp.example"), {"oidc_redirect_url": "https://a.example/"}),
        (OidcSettings(issuer="https://idp.example"), {"oidc_scope": "profile"}),
    ],
)
async def test_half_a_configuration_is_refused(oidc: OidcSettings, changes: dict[str, Any]) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Misconfigured, match="bad_oidc_settings"):
            await open_provider(oidc, settings_of(**changes), stack)
        assert await open_provider(oidc, ApiSettings(), stack) is None
