# SPDX-License-Identifier: Apache-2.0
"""One-time links: from a terminal, where one has a token, to a browser that is signed in.

A link works once, for ten minutes. Its row holds the caller's own bearer token, encrypted under a
key made from the code in the link, and the code's hash; the code itself is never stored. So the
table opens nothing, and a session lasts no longer than the token it came from.
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
from memoryguard.api.page import error_page
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import SESSION_COOKIE, concerns, principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import ROLES, Policy

LIFETIME = timedelta(minutes=10)
CODE_BYTES = 32
NONCE_BYTES = 12
LINK_PATH = "/s/{code:[A-Za-z0-9_-]{20,100}}"
PAGE_PATH = re.compile(r"/(?!/)[A-Za-z0-9/._-]{0,300}")
"""A page of ours: one slash in front, never two, which would name another host."""


async def create_link(pool: Pool, token: str, path: str) -> tuple[str, datetime]:
    """Store a link to a page and give its code and its end."""
    code = secrets.token_urlsafe(CODE_BYTES)
    expires_at = datetime.now(UTC) + LIFETIME
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from session_link where expires_at < now()")
        await connection.execute(
            "insert into session_link (code_sha256, sealed, path, expires_at)"
            " values ($1, $2, $3, $4)",
            _digest(code),
            _seal(code, path, token),
            path,
            expires_at,
        )
    return code, expires_at


async def redeem(pool: Pool, code: str) -> tuple[str, str] | None:
    """Use a link up: its token and path, or None when there is no such link any more."""
    row = await pool.fetchrow(
        "delete from session_link where code_sha256 = $1 returning sealed, path, expires_at",
        _digest(code),
    )
    if row is None or row["expires_at"] < datetime.now(UTC):
        return None
    return _open(code, row["path"], row["sealed"]), row["path"]


def routes(platform: Platform) -> list[Route]:
    """Make a link, and follow it."""

    async def create(request: web.Request) -> web.Response:
        concerns(request, user_id=principal_of(request).user_id)
        path = (await read_object(request)).get("path", "/")
        if not isinstance(path, str) or not PAGE_PATH.fullmatch(path):
            raise Rejected(
                "bad_path", "path is not a page of this server", 'for instance "/imaging/<id>"'
            )
        token = request.headers["Authorization"].removeprefix("Bearer ")  # a cookie cannot POST
        code, expires_at = await create_link(platform.pool, token, path)
        document = {"url_path": f"/s/{code}", "expires_at": expires_at.isoformat()}
        return web.json_response(document, status=201, headers={"Cache-Control": "no-store"})

    async def follow(request: web.Request) -> web.Response:
        redeemed = await redeem(platform.pool, request.match_info["code"])
        if redeemed is None:
            return error_page(
                404,
                "This link does not work any more",
                "A link opens once, within ten minutes. Make a new one where this one came from.",
            )
        return _signed_in(request, *redeemed)

    return [
        Route("POST", "/api/v1/sessions", create, Policy("session.create", ROLES)),
        Route(
            "GET",
            LINK_PATH,
            follow,
            Policy("session.follow", public="the code is a secret"),
        ),
    ]


def _signed_in(request: web.Request, token: str, path: str) -> web.Response:
    response = web.Response(
        status=303,
        headers={"Location": path, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )
    # Lax, not Strict: the click comes from a terminal or a mail. A cookie may only read anyway.
    encrypted = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        SESSION_COOKIE, token, path="/", httponly=True, samesite="Lax", secure=encrypted
    )
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
