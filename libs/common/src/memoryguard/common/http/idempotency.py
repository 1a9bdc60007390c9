# SPDX-License-Identifier: Apache-2.0
"""Requests that are repeated under one ``Idempotency-Key`` are carried out once.

As draft-ietf-httpapi-idempotency-key-header says: the key is the caller's own, lives for a day, and
belongs to one request. The same key with another request is refused, and so is a repeat while the
first is being worked on. What failed leaves nothing, so it can be tried again under the same key.

A process that dies after it did the work, and before the answer was kept, leaves the key taken for
a minute; whoever asks then does the work again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from memoryguard.common.errors import Rejected
from memoryguard.common.http.conditional import PRIVATE
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Principal
from memoryguard.common.security.sealing import opened, sealed

HEADER = "Idempotency-Key"
MAX_KEY = 200

_CLAIM = """
insert into keyed_answer as known (answer_key, request) values ($1, $2)
on conflict (answer_key) do update
set request = excluded.request, sealed = null, subject_id = null, at = now()
where known.at < now() - interval '24 hours'
    or known.sealed is null and known.at < now() - interval '1 minute'
returning true
"""
_KNOWN = "select request, sealed, subject_id from keyed_answer where answer_key = $1"
_KEEP = """
update keyed_answer set sealed = $2, subject_id = $3 where answer_key = $1
    and not exists (select from tombstone where subject_id = $3)
"""
_FORGET = "delete from keyed_answer where answer_key = $1"
_OLD = "delete from keyed_answer where at < now() - interval '24 hours'"


class KeyInUse(Rejected):
    """The first request with this key is not answered yet."""

    http_status = 409


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer that was given the first time, and whom it is about."""

    status: int
    text: str
    subject_id: str

    def response(self) -> web.Response:
        """Give it again."""
        return web.Response(
            status=self.status, text=self.text, content_type="application/json", headers=PRIVATE
        )


class Replies:
    """Keeps the answers of one service. They hold codes and accounts, so they are sealed."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def once(
        self,
        request: web.Request,
        principal: Principal,
        work: Callable[[], Awaitable[tuple[web.StreamResponse, str]]],
    ) -> web.StreamResponse | Reply:
        """Carry a request out, or give the answer of the first time.

        Parameters
        ----------
        request
            It has the header.
        principal
            Who asks: keys of different callers have nothing to do with each other.
        work
            Gives the answer, and the subject whom it is about.

        Raises
        ------
        Rejected
            ``bad_idempotency_key``, ``idempotency_key_reused``.
        KeyInUse
            ``idempotency_key_in_use``.
        """
        key = request.headers[HEADER]
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            raise Rejected("bad_idempotency_key", "Idempotency-Key is empty or too long")
        name = self._name("answer", principal, key)
        digest = self._name("request", principal, await _digest(request))
        await self._platform.pool.execute(_OLD)
        if not await self._platform.pool.fetchval(_CLAIM, name, digest):
            return await self._known(name, digest, self._name("answer seal", principal, key))
        try:
            response, subject_id = await work()
        except BaseException:
            await self._platform.pool.execute(_FORGET, name)
            raise
        await self._keep(name, self._name("answer seal", principal, key), response, subject_id)
        return response

    async def _known(self, name: str, digest: str, seal: str) -> Reply:
        row = await self._platform.pool.fetchrow(_KNOWN, name)
        if row is not None and row["request"] != digest:
            raise Rejected(
                "idempotency_key_reused",
                "this Idempotency-Key belongs to another request",
                "make a new key for a new request",
            )
        if row is None or row["sealed"] is None:
            raise KeyInUse(
                "idempotency_key_in_use", "the first request with this key is being worked on",
                "ask again in a moment",
            )  # fmt: skip
        kept = json.loads(opened(row["sealed"], seal, name))
        return Reply(kept["status"], kept["text"], row["subject_id"])

    async def _keep(
        self, name: str, seal: str, response: web.StreamResponse, subject_id: str
    ) -> None:
        assert isinstance(response, web.Response)  # noqa: S101  # see Route.keyed
        text = json.dumps({"status": response.status, "text": response.text})
        await self._platform.pool.execute(_KEEP, name, sealed(text, seal, name), subject_id)

    def _name(self, kind: str, principal: Principal, key: str) -> str:
        return self._platform.vault.arrival_key(kind, principal.user_id, key)


async def _digest(request: web.Request) -> str:
    """Tell a request from others: its method, address and body."""
    asked = f"{request.method} {request.rel_url}\n".encode()
    return hashlib.sha256(asked + await request.read()).hexdigest()
