# SPDX-License-Identifier: Apache-2.0
"""Measurements as CSV for research: of one scan, or of all that the caller may see (docs/CSV.md).

Pages of scans are read one after the other, newest first, so memory stays constant and nobody who
reads slowly holds anything in the database.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.access import Access, is_id
from memoryguard.api.imaging import require_final
from memoryguard.api.known import Known
from memoryguard.api.scans import Scan
from memoryguard.api.tables.csv import TABLES, Table
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of, record_read
from memoryguard.common.http.conditional import PRIVATE, answer, tag_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

PAGE = 50
MEDIA_TYPE = "text/csv"
ATTACHED = {"Content-Disposition": 'attachment; filename="measurements.csv"'}
ONE = Policy("imaging.measurements", PEOPLE)
ALL = Policy("measurements.search", PEOPLE)


def routes(platform: Platform, access: Access) -> list[Route]:
    """The two routes."""

    async def one(request: web.Request) -> web.Response:
        table = _table(request, "long")
        scan = await access.scan(request, "results")
        require_final(scan)
        body = (table.head() + table.lines([Known.of(scan)])).encode()
        digest = hashlib.sha256(body).hexdigest()
        response = answer(request, body, MEDIA_TYPE, tag_of(digest))
        response.headers.update(ATTACHED)
        return response

    async def everything(request: web.Request) -> web.StreamResponse:
        return await _everything(platform, access, request)

    return [
        Route(
            "GET",
            "/api/v1/imaging/{imaging_id}/measurements.csv",
            one,
            ONE,
            doc=described.MEASUREMENTS,
        ),
        Route("GET", "/api/v1/measurements.csv", everything, ALL, doc=described.ALL_MEASUREMENTS),
    ]


async def _everything(
    platform: Platform, access: Access, request: web.Request
) -> web.StreamResponse:
    """Hand out every scan whose results are for the caller; each person's look is recorded."""
    table, user_id = _table(request, "wide"), request.query.get("user_id")
    if user_id is not None and not is_id(user_id):
        raise Rejected("bad_account", "user_id is not an account's name")
    principal = principal_of(request)
    found, following = await access.shown_to(principal, user_id, PAGE, None)
    await _record(access, request, found)
    await record_read(platform, ALL, request)
    response = web.StreamResponse(headers=PRIVATE | ATTACHED | {"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    try:
        await response.write(table.head().encode())
        await _hand(response, table, found)
        while following:
            found, following = await access.shown_to(principal, user_id, PAGE, following)
            await _record(access, request, found)
            await _hand(response, table, found)
    except BaseException:
        if request.transport is not None:  # half a table is not finished by another answer
            request.transport.abort()
        raise
    await response.write_eof()
    return response


async def _record(access: Access, request: web.Request, found: Sequence[Scan]) -> None:
    people = ((scan.subject_id, scan.user_id) for scan in found)
    await access.record_shown(request, ALL.action, people)


async def _hand(response: web.StreamResponse, table: Table, found: Sequence[Scan]) -> None:
    def written() -> bytes:
        return table.lines(Known.of(scan) for scan in found).encode()

    await response.write(await asyncio.to_thread(written))


def _table(request: web.Request, otherwise: str) -> Table:
    table = TABLES.get(request.query.get("shape", otherwise))
    if table is None:
        raise Rejected("bad_shape", "shape is not one of ours", f"one of {', '.join(TABLES)}")
    return table
