# SPDX-License-Identifier: Apache-2.0
"""Routes by which a browser signs in at an OpenID provider, and comes back with a session.

The way there leaves a code in a cookie and its hash in a row. The way back must bring that cookie
and the state that belongs to it, and uses the row up: what somebody else began, what was used, and
what has run out signs nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.markup import el
from memoryguard.api.page import error_page, page, refused_page
from memoryguard.api.provider import CALLBACK, Flow, Provider, failed
from memoryguard.api.sessions import CODE_BYTES, Sessions
from memoryguard.api.sign_in import ELSEWHERE, PAGE_PATH, encrypted, signed_in
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.errors import Denied, Unavailable
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy

BEGIN = "/sign-in/oidc"
COOKIE = "memoryguard_sign_in"
COOKIE_PATH = "/sign-in"
LIFETIME = timedelta(minutes=10)


class NotOffered(Denied):
    """Nobody signs in at a provider here."""

    http_status = 404


class SingleSignOn:
    """The way to the provider, and back."""

    def __init__(self, platform: Platform, sessions: Sessions, provider: Provider | None) -> None:
        self._platform = platform
        self._sessions = sessions
        self._provider = provider

    def routes(self) -> list[Route]:
        """Every route, with its policy."""
        known = Policy("session.ways", public="tells nothing about anybody", audited=False)
        begin = Policy("session.begin", public="leads to the identity provider, which asks")
        callback = Policy("session.oidc", public="the provider's code and the state are secrets")
        return [
            Route("GET", "/api/v1/sign-in", self.ways, known, doc=described.WAYS),
            Route("GET", BEGIN, self.begin, begin, _refused, doc=described.BEGIN_SIGN_IN),
            Route("GET", CALLBACK, self.callback, callback, _refused, doc=described.END_SIGN_IN),
        ]

    async def ways(self, request: web.Request) -> web.Response:
        """Say how one signs in here."""
        return web.json_response({"oidc": BEGIN if self._provider else None})

    async def begin(self, request: web.Request) -> web.Response:
        """Send a browser to the provider; the page that it wants then is in ``path``."""
        path = request.query.get("path", "/")
        code = secrets.token_urlsafe(CODE_BYTES)
        try:
            address = await self._offered().address(Flow(code))
        except Unavailable:
            return _away()
        await _keep(self._platform.pool, code, path if PAGE_PATH.fullmatch(path) else "/")
        response = web.Response(status=303, headers=ELSEWHERE | {"Location": address})
        response.set_cookie(
            COOKIE,
            code,
            path=COOKIE_PATH,
            max_age=int(LIFETIME.total_seconds()),
            httponly=True,
            samesite="Lax",  # the way back comes from another site
            secure=encrypted(request),
        )
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Take a browser back, and begin its session."""
        provider, code = self._offered(), request.cookies.get(COOKIE, "")
        flow = Flow(code)
        if not code or not _same(flow.state, request.query.get("state", "")):
            raise failed("wrong_state", "this sign-in was not begun in this browser")
        path = await _use_up(self._platform.pool, code)
        if path is None:
            raise failed("sign_in_expired", "this sign-in was used, or has run out")
        if request.query.get("iss", provider.issuer) != provider.issuer:  # RFC 9207
            raise failed("sign_in_refused", "another identity provider has answered")
        if "code" not in request.query:
            raise failed("sign_in_refused", "the identity provider did not sign you in")
        try:
            token, user_id = await self._token(provider, request.query["code"], flow)
        except Unavailable:
            return _away()
        response = signed_in(request, await self._sessions.begin(token, user_id), path)
        response.del_cookie(COOKIE, path=COOKIE_PATH)
        return response

    async def _token(self, provider: Provider, code: str, flow: Flow) -> tuple[str, str]:
        """Exchange the provider's code for a token that is taken here, and say who came in."""
        token, subject = await provider.exchange(code, flow)
        principal = await self._platform.tokens.verify(token)
        if principal.user_id != subject:
            raise failed("sign_in_refused", "the identity provider's tokens are two people's")
        if not principal.roles:
            raise failed("no_role", "this account has no role here")
        fact = AccessRead(
            subject_id=self._platform.vault.user_subject_id(subject),
            actor_id=subject,
            action="session.oidc",
            service=self._platform.name,
            user_id=subject,
        )
        await self._platform.say(fact)
        return token, subject

    def _offered(self) -> Provider:
        if self._provider is None:
            raise NotOffered("no_single_sign_on", "there is no identity provider here")
        return self._provider


async def _keep(pool: Pool, code: str, path: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from sign_in where expires_at < now()")
        await connection.execute(
            "insert into sign_in (code_sha256, path, expires_at)"
            " values ($1, $2, now() + $3::interval)",
            _digest(code),
            path,
            LIFETIME,
        )


async def _use_up(pool: Pool, code: str) -> str | None:
    """Give the page that a sign-in leads to; None when it was used or has run out."""
    path: str | None = await pool.fetchval(
        "with gone as (delete from sign_in where code_sha256 = $1 returning path, expires_at)"
        " select path from gone where expires_at > now()",
        _digest(code),
    )
    return path


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


def _away() -> web.Response:
    return error_page(
        503, "The identity provider is away", "Nobody can sign in by it now. Try again soon."
    )


def _refused(error: Denied) -> web.Response:
    if error.code == "no_single_sign_on":
        return error_page(404, "Nothing here", "Nobody signs in by an identity provider here.")
    if error.http_status == 429:
        return refused_page(error)
    what = error.message[:1].upper() + error.message[1:]
    again = el("p", el("a", "Begin again", href="/"))
    return page("You are not signed in", el("p", f"{what}."), again, status=400)
