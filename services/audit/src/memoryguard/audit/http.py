# SPDX-License-Identifier: Apache-2.0
"""Questions to the log: its newest checkpoint, its key, and proofs of single entries."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from memoryguard.audit.log import entry_of
from memoryguard.audit.proving import prove
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.tlog.note import Signer

MAX_ENTRIES = 500
OFFICERS = Policy("audit.query", roles=frozenset({"compliance"}))


class NotFound(Rejected):
    """There is no such entry."""

    http_status = 404


class Queries:
    """The routes of audit."""

    def __init__(self, platform: Platform, signer: Signer) -> None:
        self._platform = platform
        self._signer = signer

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        public = Policy("audit.key", public="public by nature: it verifies, it opens nothing")
        return (
            Route("GET", "/api/v1/audit/key", self.key, public),
            Route("GET", "/api/v1/audit/checkpoint", self.checkpoint, OFFICERS),
            Route("GET", "/api/v1/audit/scans/{scan_id}", self.entries, OFFICERS),
            Route("GET", "/api/v1/audit/entries/{sequence}", self.entry, OFFICERS),
            Route("GET", "/api/v1/audit/entries/{sequence}/proof", self.proof, OFFICERS),
        )

    async def key(self, request: web.Request) -> web.Response:
        """Answer with the verifier key (C2SP signed-note form)."""
        return web.Response(text=f"{self._signer.verifier_key}\n")

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Answer with the newest signed checkpoint."""
        note = await self._platform.pool.fetchval(
            "select note from log.checkpoint order by size desc limit 1"
        )
        if note is None:
            raise NotFound("not_found", "nothing is signed yet")
        return web.Response(text=note)

    async def entries(self, request: web.Request) -> web.Response:
        """List what the log holds about a scan."""
        scan_id = request.match_info["scan_id"]
        rows = await self._platform.pool.fetch(
            "select sequence, type, source, event_id, logged_at from log.entry where scan_id = $1"
            " order by sequence limit $2",
            scan_id,
            MAX_ENTRIES,
        )
        # What names no scan is not recorded: somebody may have typed a patient's name.
        concerns(request, scan_id=scan_id if rows else None)
        return web.json_response(
            {"entries": [dict(row) | {"logged_at": row["logged_at"].isoformat()} for row in rows]}
        )

    async def entry(self, request: web.Request) -> web.Response:
        """Answer with an entry's leaf: the bytes that the tree covers."""
        row = await self._platform.pool.fetchrow(
            "select * from log.entry where sequence = $1", _sequence(request)
        )
        if row is None:
            raise NotFound("not_found", "the log has no such entry")
        return web.Response(body=entry_of(row).leaf(), content_type="application/octet-stream")

    async def proof(self, request: web.Request) -> web.Response:
        """Answer with a proof file (C2SP tlog-proof) that verifies offline."""
        sequence = _sequence(request)
        size = await self._platform.pool.fetchval("select size from log.head")
        if sequence >= (size or 0):
            raise NotFound("not_found", "the log has no such entry")
        return web.Response(text=str(await prove(self._platform.pool, sequence)))


def _sequence(request: web.Request) -> int:
    text = request.match_info["sequence"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFound("not_found", "the log has no such entry")
    return int(text)
