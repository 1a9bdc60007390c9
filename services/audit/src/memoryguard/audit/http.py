# SPDX-License-Identifier: Apache-2.0
"""Single entries of the log, and its proofs: checkpoint, key, inclusion, consistency."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.cosigned import cosigned_note
from memoryguard.audit.filters import Filter, parameters
from memoryguard.audit.log import entry_of
from memoryguard.audit.opening import keys_of
from memoryguard.audit.proving import prove, prove_growth
from memoryguard.audit.queries import tell_whom
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns
from memoryguard.common.http.conditional import answer_bytes, answer_json, answer_text
from memoryguard.common.http.operation import Operation
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.tlog.exported import texts
from memoryguard.tlog.note import Signer

MAX_ENTRIES = 500
OFFICERS = Policy("audit.query", roles=frozenset({"compliance"}))


class NotFound(Rejected):
    """There is no such entry."""

    http_status = 404


class Shredded(Rejected):
    """What an entry held cannot be read any more, by nobody."""

    http_status = 410


class Queries:
    """The routes of single entries and proofs."""

    def __init__(self, platform: Platform, signer: Signer) -> None:
        self._platform = platform
        self._signer = signer
        self._people = platform.objects.keys

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        public = Policy("audit.key", public="public by nature: it verifies, it opens nothing")

        def reading(path: str, handler: HttpHandler, doc: Operation) -> Route:
            return Route("GET", f"/api/v1/audit/{path}", handler, OFFICERS, doc=doc)

        return (
            Route("GET", "/api/v1/audit/key", self.key, public, doc=described.KEY),
            reading("checkpoint", self.checkpoint, described.CHECKPOINT),
            reading("scans/{scan_id}", self.entries, described.SCAN),
            reading("entries/{sequence}", self.entry, described.ENTRY),
            reading("entries/{sequence}/proof", self.proof, described.PROOF),
            reading("entries/{sequence}/event", self.event, described.EVENT),
            reading("consistency", self.consistency, described.CONSISTENCY),
        )

    async def key(self, request: web.Request) -> web.Response:
        """Answer with the verifier key (C2SP signed-note form)."""
        return answer_text(request, f"{self._signer.verifier_key}\n")

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Answer with the newest checkpoint, and what witnesses have signed of it."""
        note = await cosigned_note(self._platform.pool)
        if note is None:
            raise NotFound("not_found", "nothing is signed yet")
        return answer_text(request, note)

    async def entries(self, request: web.Request) -> web.Response:
        """List what the log holds about a scan."""
        scan_id = request.match_info["scan_id"]
        rows = await self._platform.pool.fetch(
            "select sequence, type, source, event_id, subject_id, logged_at from log.entry"
            " where scan_id = $1 order by sequence limit $2",
            scan_id,
            MAX_ENTRIES,
        )
        about = Filter(scan_id=scan_id)
        tell_whom(request, about, [row["subject_id"] for row in rows])
        entries = [dict(row) | {"logged_at": row["logged_at"].isoformat()} for row in rows]
        return answer_json(request, {"entries": entries})

    async def entry(self, request: web.Request) -> web.Response:
        """Answer with an entry's leaf: the bytes that the tree covers."""
        entry = entry_of(await self._row(request))
        return answer_bytes(request, entry.leaf(), "application/octet-stream")

    async def event(self, request: web.Request) -> web.Response:
        """Answer with an entry's event, byte for byte, opened where it is sealed."""
        entry = entry_of(await self._row(request))
        (key,) = await keys_of(self._people, [entry])
        event = entry.event(key)
        if event is None:
            raise Shredded("entry_shredded", "this person was erased: the entry opens no more")
        return answer_bytes(request, event, "application/json")

    async def proof(self, request: web.Request) -> web.Response:
        """Answer with a proof file (C2SP tlog-proof) that verifies offline."""
        sequence = _sequence(request)
        size = await self._platform.pool.fetchval("select size from log.head")
        if sequence >= (size or 0):
            raise NotFound("not_found", "the log has no such entry")
        return answer_text(request, str(await prove(self._platform.pool, sequence)))

    async def consistency(self, request: web.Request) -> web.Response:
        """Prove that the log of one size is the beginning of the log of another (RFC 9162)."""
        given = parameters(request.query, {"from", "to"})
        older, newer = (_size(given.get(name, "")) for name in ("from", "to"))
        size = await self._platform.pool.fetchval("select size from log.head")
        if not 0 < older <= newer <= (size or 0):
            raise NotFound("not_found", "the log never had these sizes, in this order")
        hashes = await prove_growth(self._platform.pool, older, newer)
        rows = await self._platform.pool.fetch(
            "select size, note from log.checkpoint where size = any($1::bigint[])", [older, newer]
        )
        notes = {row["size"]: row["note"] for row in rows}
        document = {
            "from": older,
            "to": newer,
            "hashes": texts(hashes),
            "from_checkpoint": notes.get(older),
            "to_checkpoint": notes.get(newer),
        }
        return answer_json(request, document)

    async def _row(self, request: web.Request) -> asyncpg.Record:
        """Give an entry's row, and tell whom it is about, for the access event."""
        row = await self._platform.pool.fetchrow(
            "select * from log.entry where sequence = $1", _sequence(request)
        )
        if row is None:
            raise NotFound("not_found", "the log has no such entry")
        concerns(request, subject_id=row["subject_id"], scan_id=row["scan_id"], basis="role")
        return row


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Rejected("bad_filter", "from and to are sizes of the log")
    return int(text)


def _sequence(request: web.Request) -> int:
    text = request.match_info["sequence"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFound("not_found", "the log has no such entry")
    return int(text)
