# SPDX-License-Identifier: Apache-2.0
"""Live status of a scan as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.access import Access, Hidden
from memoryguard.api.analysis import status_document
from memoryguard.api.changes import Changes
from memoryguard.common.http.app import record_read, stopping_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.waiting import wait_until_set
from memoryguard.common.security.policy import PEOPLE, Policy

POLL_S = 1.0
HEARTBEAT_S = 15.0  # and who may look is asked again: what was lent may end by itself
GRACE_S = 2.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


def routes(platform: Platform, access: Access, changes: Changes) -> list[Route]:
    """One ``status`` event whenever the scan's status document changes, until it is final.

    With ``?stay=1`` the stream goes on after that, and says ``closed`` once the caller may no
    longer look: a page that is open then removes what it shows.
    """
    policy = Policy("imaging.watch", PEOPLE)

    async def watch(request: web.Request) -> web.StreamResponse:
        with changes.watching(request.match_info["imaging_id"]) as changed:
            await _awaited(access, request, changed)
            await record_read(platform, policy, request)
            response = web.StreamResponse(headers=HEADERS)
            await response.prepare(request)
            try:
                await _send_until_final(access, request, response, changes, changed)
            except Hidden:  # taken back, or the scan is gone
                if _stays(request):
                    with suppress(ConnectionError):
                        await response.write(b"event: closed\ndata: {}\n\n")
            except (ConnectionError, *AWAY):
                # The reader left, or the database is away: readers of server-sent events connect
                # again by themselves.
                pass
        return response

    path = "/api/v1/imaging/{imaging_id}/events"
    return [Route("GET", path, watch, policy, doc=described.EVENTS)]


async def _awaited(access: Access, request: web.Request, changed: asyncio.Event) -> None:
    """Wait a little for a scan that was uploaded a moment ago; its event may be on its way.

    What is not there and what is not yours take the same time.
    """
    deadline = time.monotonic() + GRACE_S
    while True:
        changed.clear()
        try:
            await access.scan(request, "status")
        except Hidden:
            if time.monotonic() >= deadline or stopping_of(request).is_set():
                raise
        else:
            return
        await wait_until_set(changed, POLL_S)


async def _send_until_final(
    access: Access,
    request: web.Request,
    response: web.StreamResponse,
    changes: Changes,
    changed: asyncio.Event,
) -> None:
    sent: dict[str, Any] | None = None
    last_write = time.monotonic()
    while not stopping_of(request).is_set():
        changed.clear()  # before reading: a change during the reading wakes us again
        scan = await access.scan(request, "status")
        document = status_document(scan)
        if document != sent:
            await response.write(f"event: status\ndata: {json.dumps(document)}\n\n".encode())
            sent, last_write = document, time.monotonic()
        elif time.monotonic() - last_write >= HEARTBEAT_S:
            await response.write(b": still here\n\n")
            last_write = time.monotonic()
        if scan.standing.final and not _stays(request):
            break
        await _due(changes, changed, stopping_of(request))
    await response.write_eof()


async def _due(changes: Changes, changed: asyncio.Event, stopping: asyncio.Event) -> None:
    """Wait for a change, or for the next heartbeat; for a moment only while nobody listens."""
    began = time.monotonic()
    while True:
        await wait_until_set(changed, POLL_S)
        waited = time.monotonic() - began
        if changed.is_set() or stopping.is_set() or not changes.listening or waited >= HEARTBEAT_S:
            return


def _stays(request: web.Request) -> bool:
    return request.query.get("stay") == "1"
