# SPDX-License-Identifier: Apache-2.0
"""One-time links, from a terminal where one has a token to a browser, and the sessions they open.

A link works once, for ten minutes. Its row holds the caller's own bearer token, encrypted under a
key made from the code in the link, and the code's hash; the code itself is never stored. A session
is kept in the same way, its code being the cookie. So the tables open nothing. A session ends when
it is signed out of, when nobody uses it for a while, and at the latest with its token.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memoryguard.api.body import read_object
from memoryguard.api.markup import el
from memoryguard.api.page import error_page, page, refused_page
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import SESSION_COOKIE, concerns, principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import ROLES, Policy

LIFETIME = timedelta(minutes=10)
CODE_BYTES = 32
NONCE_BYTES = 12
SESSION = "session"
"""What a session's token is bound to, as a link's to its page."""
LINK_PATH = "/s/{code:[A-Za-z0-9_-]{20,100}}"
PAGE_PATH = re.compile(r"/(?!/)[A-Za-z0-9/._-]{0,300}")
"""A page of ours: one slash in front, never two, which would name another host."""


async def create_link(pool: Pool, token: str, user_id: str, path: str) -> tuple[str, datetime]:
    """Store a link to a page and give its code and its end."""
    code = secrets.token_urlsafe(CODE_BYTES)
    expires_at = datetime.now(UTC) + LIFETIME
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from session_link where expires_at < now()")
        await connection.execute(
            "insert into session_link (code_sha256, sealed, user_id, path, expires_at)"
            " values ($1, $2, $3, $4, $5)",
            _digest(code),
            _seal(code, path, token),
            user_id,
            path,
            expires_at,
        )
    return code, expires_at


async def redeem(pool: Pool, code: str) -> tuple[str, str, str] | None:
    """Use a link up: its token, account and path, or None when there is no such link any more."""
    row = await pool.fetchrow(
        "delete from session_link where code_sha256 = $1"
        " returning sealed, user_id, path, expires_at",
        _digest(code),
    )
    if row is None or row["expires_at"] < datetime.now(UTC) or not row["user_id"]:
        return None
    return _open(code, row["path"], row["sealed"]), row["user_id"], row["path"]


class DeadLink(Denied):
    """A link that was used, has run out, or was never made."""

    http_status = 404


class Sessions:
    """Browser sessions of this service, in every replica."""

    def __init__(self, pool: Pool, idle: timedelta) -> None:
        self._pool = pool
        self._idle = idle

    async def begin(self, token: str, user_id: str) -> str:
        """Store a session; the value of its cookie."""
        code = secrets.token_urlsafe(CODE_BYTES)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "delete from session where used_at < now() - $1::interval", self._idle
            )
            await connection.execute(
                "insert into session (code_sha256, sealed, user_id) values ($1, $2, $3)",
                _digest(code),
                _seal(code, SESSION, token),
                user_id,
            )
        return code

    async def token_of(self, code: str) -> str | None:
        """Give the bearer token of a session that has not ended, and keep it alive."""
        sealed: bytes | None = await self._pool.fetchval(
            "update session set used_at = now()"
            " where code_sha256 = $1 and used_at > now() - $2::interval returning sealed",
            _digest(code),
            self._idle,
        )
        return _open(code, SESSION, sealed) if sealed else None

    async def end(self, code: str) -> None:
        """End a session."""
        await self._pool.execute("delete from session where code_sha256 = $1", _digest(code))

    async def end_all(self, user_id: str) -> int:
        """End every session of an account, and what would open more; how many there were."""
        ended: int = await self._pool.fetchval(  # pyright: ignore[reportAssignmentType]
            "with links as (delete from session_link where user_id = $1),"
            " gone as (delete from session where user_id = $1 returning true)"
            " select count(*) from gone",
            user_id,
        )
        return ended


def routes(platform: Platform, sessions: Sessions) -> list[Route]:
    """Make a link, follow it, and sign out again."""

    async def create(request: web.Request) -> web.Response:
        concerns(request, user_id=principal_of(request).user_id)
        path = (await read_object(request)).get("path", "/")
        if not isinstance(path, str) or not PAGE_PATH.fullmatch(path):
            raise Rejected(
                "bad_path", "path is not a page of this server", 'for instance "/imaging/<id>"'
            )
        token = request.headers["Authorization"].removeprefix("Bearer ")  # a cookie cannot POST
        user_id = principal_of(request).user_id
        code, expires_at = await create_link(platform.pool, token, user_id, path)
        document = {"url_path": f"/s/{code}", "expires_at": expires_at.isoformat()}
        return web.json_response(document, status=201, headers={"Cache-Control": "no-store"})

    async def follow(request: web.Request) -> web.Response:
        redeemed = await redeem(platform.pool, request.match_info["code"])
        if redeemed is None:
            raise DeadLink("dead_link", "this link does not work any more", "make a new one")
        token, user_id, path = redeemed
        cookie = await sessions.begin(token, user_id)
        # The route is public, so nobody else says who came in by it.
        fact = AccessRead(
            subject_id=NOBODY,
            actor_id=user_id,
            action="session.follow",
            service=platform.name,
            user_id=user_id,
        )
        await platform.say(fact)
        return _signed_in(request, cookie, path)

    async def end_all(request: web.Request) -> web.Response:
        user_id = principal_of(request).user_id
        concerns(request, user_id=user_id)
        return web.json_response({"ended": await sessions.end_all(user_id)})

    async def sign_out(request: web.Request) -> web.Response:
        concerns(request, user_id=principal_of(request).user_id)
        await sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        return _signed_out()

    return [
        Route("POST", "/api/v1/sessions", create, Policy("session.create", ROLES)),
        Route("DELETE", "/api/v1/sessions", end_all, Policy("session.end", ROLES)),
        Route("GET", "/sign-out", sign_out, Policy("session.sign-out", ROLES), refused_page),
        Route(
            "GET",
            LINK_PATH,
            follow,
            Policy("session.follow", public="the code is a secret"),
            _refused_link,
        ),
    ]


def _refused_link(error: Denied) -> web.Response:
    if error.code != "dead_link":
        return refused_page(error)
    return error_page(
        404,
        "This link does not work any more",
        "A link opens once, within ten minutes. Make a new one where this one came from.",
    )


def _signed_in(request: web.Request, cookie: str, path: str) -> web.Response:
    response = web.Response(
        status=303,
        headers={"Location": path, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )
    # Lax, not Strict: the click comes from a terminal or a mail. A cookie may only read anyway.
    encrypted = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        SESSION_COOKIE, cookie, path="/", httponly=True, samesite="Lax", secure=encrypted
    )
    return response


def _signed_out() -> web.Response:
    response = page(
        "Signed out", el("p", "The session has ended; its cookie opens nothing any more.")
    )
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def _cipher(code: str) -> AESGCM:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"memoryguard session link v1")
    return AESGCM(derived.derive(code.encode()))


def _seal(code: str, path: str, token: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(code).encrypt(nonce, token.encode(), path.encode())


def _open(code: str, path: str, sealed: bytes) -> str:
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    return _cipher(code).decrypt(nonce, body, path.encode()).decode()
