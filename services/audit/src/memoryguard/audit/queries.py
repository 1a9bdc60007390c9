# SPDX-License-Identifier: Apache-2.0
"""Officers' questions: entries by whom, by what and by when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import asyncpg
from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.filters import NAMES, Filter, Place, parameters, read_filter
from memoryguard.audit.finding import bounded, page, place_of
from memoryguard.audit.log import entry_of
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns
from memoryguard.common.http.conditional import answer_page
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.tlog.exported import shown

MAX_LIMIT = 500
LIMIT = 100


class Search:
    """The route that finds entries."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> Sequence[Route]:
        """Give the one route."""
        policy = Policy("audit.query", roles=frozenset({"compliance"}))
        return (Route("GET", "/api/v1/audit/entries", self.entries, policy, doc=described.ENTRIES),)

    async def entries(self, request: web.Request) -> web.Response:
        """List the newest entries that the filters let through."""
        given = parameters(request.query, {*NAMES, "limit", "cursor"})
        wanted = read_filter(given, self._platform.vault)
        limit, after = read_page(given)
        async with bounded(self._platform.pool) as connection:
            rows = await page(connection, wanted, limit + 1, after)
        tell_whom(request, wanted, [row["subject_id"] for row in rows])
        entries = [shown(row["sequence"], entry_of(row)) for row in rows[:limit]]
        return answer_page(request, {"entries": entries}, following(rows, limit))


def read_page(given: Mapping[str, str], most: int = MAX_LIMIT) -> tuple[int, Place | None]:
    """Read how many entries a page may have, and where the last one ended.

    Raises
    ------
    Rejected
        ``bad_filter``, ``bad_cursor``.
    """
    text = given.get("limit", str(min(LIMIT, most)))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else 0
    if not 1 <= limit <= most:
        raise Rejected("bad_filter", f"limit is not a number from 1 to {most}")
    return limit, Place.from_text(given["cursor"]) if "cursor" in given else None


def following(rows: Sequence[asyncpg.Record], limit: int) -> str | None:
    """Say where the next page begins, if one entry more than the limit was found."""
    return place_of(rows[limit - 1]).to_text() if len(rows) > limit else None


def tell_whom(request: web.Request, wanted: Filter, subjects: Iterable[str]) -> None:
    """Tell whom a question is about, for the access event, so that they find it in their ledger.

    What names nobody that the log knows is not recorded: somebody may have typed a patient's name.
    """
    found = set(subjects)
    if len(found) == 1 and (wanted.subjects or wanted.scan_id):
        concerns(request, subject_id=found.pop(), scan_id=wanted.scan_id, basis="role")
