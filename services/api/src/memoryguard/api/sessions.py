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
import secrets
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memoryguard.common.runtime.database import Pool

LIFETIME = timedelta(minutes=10)
CODE_BYTES = 32
NONCE_BYTES = 12
SESSION = "session"
"""What a session's token is bound to, as a link's to its page."""


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


class Sessions:
    """Browser sessions of this service, in every replica."""

    def __init__(self, pool: Pool, idle: timedelta) -> None:
        self._pool = pool
        self._idle = idle

    @property
    def idle_minutes(self) -> int:
        """How long a session lives that nobody uses."""
        return int(self._idle.total_seconds() // 60)

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
