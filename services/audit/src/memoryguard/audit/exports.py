# SPDX-License-Identifier: Apache-2.0
"""Exports: entries as JSON Lines, CSV or FHIR, each with what verifies it offline.

Pages of entries are read one after the other, newest first, so memory stays constant and nobody who
reads slowly holds anything in the database: entries below a checkpoint never change.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.domain import csv
from memoryguard.audit.filters import NAMES, Filter, Place, below, parameters, read_filter, shown
from memoryguard.audit.finding import SIZES, bounded, page, place_of, whole
from memoryguard.audit.log import entry_of
from memoryguard.audit.opening import keys_of, open_one
from memoryguard.audit.proving import newest_over, stored_nodes
from memoryguard.audit.queries import tell_whom
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import ExportFormat, LogExported
from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.http import purpose
from memoryguard.common.http.app import principal_of, record_read
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.exported import Exported, line
from memoryguard.tlog.fhir import audit_event
from memoryguard.tlog.merkle import NodeSource, inclusion_nodes, inclusion_proof
from memoryguard.tlog.note import Signer

BATCH = 250
BATCH_BYTES = 4 << 20
AT_ONCE = 2
VERSION = 1
POLICY = Policy("audit.export", roles=frozenset({"compliance"}))

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Format:
    """How an export is written: its media type, what stands first, and each entry.

    Parameters
    ----------
    head
        From the export's header, what stands before the entries.
    each
        From an entry and the checkpoint's note, what is written of it.
    """

    name: ExportFormat
    media_type: str
    head: Callable[[Mapping[str, Any]], str]
    each: Callable[[Exported, str], str]


FORMATS: Final[Mapping[str, Format]] = {
    "jsonl": Format(
        "jsonl",
        "application/jsonl",
        lambda header: f"{_encode(header)}\n",
        lambda exported, _: f"{_encode(line(exported))}\n",
    ),
    "csv": Format(
        "csv",
        "text/csv",
        lambda header: f"# {_encode(header)}\r\n{csv.head()}",
        lambda exported, _: csv.row(exported),
    ),
    "fhir": Format(
        "fhir",
        "application/fhir+ndjson",
        lambda _: "",
        lambda exported, note: f"{_encode(audit_event(exported, note))}\n",
    ),
}


@dataclass(slots=True)
class Handed:
    """What has been handed out so far."""

    response: web.StreamResponse
    entries: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    async def out(self, content: str, entries: int = 0) -> None:
        """Hand out more. It counts before it leaves: of what is cut short, a part may have left."""
        body = content.encode()
        self.digest.update(body)
        self.entries += entries
        await self.response.write(body)


class Exports:
    """The route that exports."""

    def __init__(self, platform: Platform, signer: Signer) -> None:
        self._platform = platform
        self._signer = signer
        self._people = platform.objects.keys
        self._running = 0

    def routes(self) -> Sequence[Route]:
        """Give the one route."""
        return (Route("GET", "/api/v1/audit/export", self.export, POLICY, doc=described.EXPORT),)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Hand out every entry under the newest checkpoint that the filters let through."""
        given = parameters(request.query, {*NAMES, "format"})
        form = FORMATS.get(given.get("format", "jsonl"))
        if form is None:
            raise Rejected("bad_filter", "format is not one of ours", "jsonl, csv or fhir")
        wanted = read_filter(given, self._platform.vault)
        if self._running >= AT_ONCE:
            raise Unavailable("exports_busy", "others are exporting", "ask again in a while")
        self._running += 1
        try:
            return await self._export(request, form, wanted, sorted({*given} & {*NAMES}))
        finally:
            self._running -= 1

    async def _export(
        self, request: web.Request, form: Format, wanted: Filter, names: Sequence[str]
    ) -> web.StreamResponse:
        size, note = await newest_over(self._platform.pool, 0)
        header = await self._header(wanted, size, note)
        async with aclosing(self._batches(below(wanted, size), size)) as batches:
            first = await anext(batches, [])  # what is wrong with the question shows now
            tell_whom(request, wanted, [each.entry.subject_id for each in first])
            await record_read(self._platform, POLICY, request)
            response = web.StreamResponse(headers={"Content-Type": form.media_type})
            response.headers["Content-Disposition"] = f'attachment; filename="audit.{form.name}"'
            await response.prepare(request)
            handed = Handed(response)
            try:
                await handed.out(form.head(header))
                await _hand(handed, form, note, first)
                async for batch in batches:
                    await _hand(handed, form, note, batch)
                await self._platform.say(_exported(request, form, names, handed))
            except BaseException:
                _cut_off(request)
                await self._platform.say(_exported(request, form, names, handed))
                raise
        await response.write_eof()
        return response

    async def _header(self, wanted: Filter, size: int, note: str) -> Mapping[str, Any]:
        """Say what an export holds: which entries, under which checkpoint."""
        async with bounded(self._platform.pool) as connection:
            unsigned = await connection.fetchval("select size - $1 from log.head", size)
            pruned = await connection.fetchval("select exists (select from log.pruned)")
        return {
            "memoryguard_export": VERSION,
            "checkpoint": note,
            "key": str(self._signer.verifier_key),
            "filters": shown(wanted),
            "complete": not pruned,
            "entries_unsigned": unsigned,
        }

    async def _batches(self, wanted: Filter, size: int) -> AsyncGenerator[list[Exported]]:
        after: Place | None = None
        while True:
            async with bounded(self._platform.pool) as connection:
                ahead = await page(connection, wanted, BATCH, after, SIZES)
                taken = _fitting(ahead)
                rows = await whole(connection, [row["sequence"] for row in taken])
                sequences = [row["sequence"] for row in rows]
                needed = await asyncio.to_thread(_nodes_of, sequences, size)
                nodes = await stored_nodes(connection, needed)
            entries = [entry_of(row) for row in rows]
            keys = await keys_of(self._people, entries)
            if rows:
                yield await asyncio.to_thread(_prove, sequences, entries, keys, size, nodes)
            if len(taken) == len(ahead) < BATCH:
                return
            after = place_of(taken[-1])


def _fitting(ahead: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    """Take what may be in memory at once; one entry at least."""
    taken, total = 0, 0
    for row in ahead:
        total += row["bytes"]
        if taken and total > BATCH_BYTES:
            break
        taken += 1
    return ahead[:taken]


def _cut_off(request: web.Request) -> None:
    """End the connection: an answer that is half sent is not finished by another."""
    if request.transport is not None:
        request.transport.abort()


async def _hand(handed: Handed, form: Format, note: str, batch: Sequence[Exported]) -> None:
    written = await asyncio.to_thread(lambda: "".join(form.each(each, note) for each in batch))
    await handed.out(written, len(batch))


def _nodes_of(sequences: Sequence[int], size: int) -> set[tuple[int, int]]:
    return {node for at in sequences for part in inclusion_nodes(at, size) for node in part}


def _prove(
    sequences: Sequence[int],
    entries: Sequence[Entry],
    keys: Sequence[bytes | None],
    size: int,
    nodes: NodeSource,
) -> list[Exported]:
    """Open and prove entries. They share most of their nodes: each is computed once."""
    known = dict[tuple[int, int], bytes]()

    def get(level: int, index: int) -> bytes:
        if (level, index) not in known:
            known[level, index] = nodes(level, index)
        return known[level, index]

    return [
        open_one(at, entry, key, tuple(inclusion_proof(at, size, get)))
        for at, entry, key in zip(sequences, entries, keys, strict=True)
    ]


def _exported(
    request: web.Request, form: Format, names: Sequence[str], handed: Handed
) -> LogExported:
    return LogExported(
        subject_id=NOBODY,
        actor_id=principal_of(request).user_id,
        format=form.name,
        entries=handed.entries,
        filters=tuple(names),
        sha256=handed.digest.hexdigest(),
        purpose=purpose.stated(request),
    )
