# SPDX-License-Identifier: Apache-2.0
"""The stored log as a verifier reads it: a stream of entries, hashed again, and tiles on demand.

Nothing is believed here, and nothing is too odd to be read: whoever owns the database may have put
anything in the place of anything. Everything is read in one snapshot.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from memoryguard.audit.log import COLUMNS, entry_of
from memoryguard.common.runtime.database import Connection
from memoryguard.tlog.entry import Entry, Number
from memoryguard.tlog.merkle import HASH_BYTES, Coordinate, leaf_hash
from memoryguard.tlog.report import Run
from memoryguard.tlog.tiles import TILE_LEVELS, TILE_WIDTH, node_in, tile_of

ROWS = 2048
"""Entries that are in memory at once."""

CHUNK_TILES = 16
KEPT_CHUNKS = 64
"""Of the tiles with leaf hashes, 8 MiB are in memory at most."""

# The moments that Python has; what lies beyond becomes the nearest of them.
_CLAMPED = {
    name: f"case when {name} < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'"
    f" when {name} > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'"
    f" else {name} end as {name}"
    for name in ("occurred_at", "logged_at")
}
_ENTRIES = f"select {', '.join(_CLAMPED.get(each, each) for each in COLUMNS)} from log.entry"  # noqa: S608  # our own names

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Head:
    """What the database says that the log is: everything but the entries and their hashes."""

    size: int
    levels: Sequence[bytes]
    notes: Sequence[tuple[int, str]]
    sent: frozenset[int]
    pruned: Sequence[tuple[int, int]]

    @property
    def pruned_to(self) -> int:
        """Up to which entry the log was pruned, as far as the ranges join."""
        end = 0
        for first, last in self.pruned:
            end = last + 1 if first == end <= last else end
        return end


async def read_head(connection: Connection) -> Head:
    """Read what stands beside the entries."""
    head = await connection.fetchrow("select size, levels from log.head")
    notes = await connection.fetch("select size, note from log.checkpoint order by size")
    sent = await connection.fetch("select size from log.sent")
    pruned = await connection.fetch("select first, last from log.pruned order by first")
    return Head(
        head["size"] if head else 0,
        [bytes(each or b"") for each in head["levels"] or ()] if head else [],
        [(row["size"], row["note"] or "") for row in notes],
        frozenset(row["size"] for row in sent),
        [(row["first"], row["last"]) for row in pruned],
    )


class Reader:
    """Reads a log for a verifier that runs in a thread of its own.

    Parameters
    ----------
    connection
        In a transaction that sees one snapshot.
    loop
        The connection's.
    head
        What `read_head` gave.
    """

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, head: Head) -> None:
        self._connection = connection
        self._loop = loop
        self._head = head
        self._upper: Mapping[Coordinate, bytes] | None = None
        self._chunks: OrderedDict[int, Mapping[int, bytes]] = OrderedDict()
        self._edge = {
            (level, head.size >> TILE_LEVELS * (level + 1)): hashes
            for level, hashes in enumerate(head.levels)
        }

    def runs(self, first: int | None = None, last: int | None = None) -> Iterator[Run]:
        """Read the entries in order, all or a range; before them the hashes of what was pruned."""
        if first is None:
            yield from self.pruned()
        where = " where sequence between $1 and $2" if first is not None else ""
        bounds = [first, last] if first is not None else []
        for rows in self._rows(where, bounds):
            yield from self._runs_of(rows)

    def leaves(self) -> Iterator[tuple[int, bytes]]:
        """Read the entries in order: their numbers, and what the tree covers of them."""
        for rows in self._rows("", []):
            for row in rows:
                entry = _entry_in(row)
                yield row["sequence"], b"" if entry is None else _leaf_of(entry)

    def _rows(self, where: str, bounds: Sequence[Any]) -> Iterator[Sequence[asyncpg.Record]]:
        cursor = self._wait(self._open(f"{_ENTRIES}{where} order by sequence", bounds))
        while rows := self._wait(cursor.fetch(ROWS)):
            yield rows

    async def _open(self, query: str, bounds: Sequence[Any]) -> Any:
        return await self._connection.cursor(query, *bounds)

    def node(self, level: int, index: int) -> bytes | None:
        """Give a stored node, as it is stored."""
        tile = tile_of((level, index))
        hashes = self.tile(*tile)
        return None if hashes is None else node_in((level, index), hashes)

    def tile(self, level: int, index: int) -> bytes | None:
        """Give a stored tile: of the full ones, else of the edge."""
        if level:
            if self._upper is None:
                self._upper = self._wait(self._fetch_upper())
            found = self._upper.get((level, index))
        else:
            found = self._chunk(index // CHUNK_TILES).get(index)
        return self._edge.get((level, index)) if found is None else found

    def _chunk(self, number: int) -> Mapping[int, bytes]:
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        self._chunks[number] = self._wait(self._fetch_chunk(number * CHUNK_TILES))
        if len(self._chunks) > KEPT_CHUNKS:
            self._chunks.popitem(last=False)
        return self._chunks[number]

    async def _fetch_upper(self) -> Mapping[Coordinate, bytes]:
        rows = await self._connection.fetch(
            "select level, position, hashes from log.tile where level > 0"
        )
        return {(row["level"], row["position"]): bytes(row["hashes"]) for row in rows}

    async def _fetch_chunk(self, first: int) -> Mapping[int, bytes]:
        if not 0 <= first < 2**62:
            return {}
        rows = await self._connection.fetch(
            "select position, hashes from log.tile where level = 0 and position between $1 and $2",
            first,
            first + CHUNK_TILES - 1,
        )
        return {row["position"]: bytes(row["hashes"]) for row in rows}

    def pruned(self) -> Iterator[Run]:
        """Give the hashes that are left of entries that were pruned, tile by tile."""
        for position in range(self._head.pruned_to // TILE_WIDTH):
            first = position * TILE_WIDTH
            hashes = self._stored(range(first, first + TILE_WIDTH))
            if all(len(each) == HASH_BYTES for each in hashes):
                yield Run(first, hashes, hashes, pruned=True)

    def _runs_of(self, rows: Sequence[asyncpg.Record]) -> Iterator[Run]:
        """Cut rows where a sequence number does not follow the one before."""
        begin = 0
        for at in range(1, len(rows) + 1):
            if at == len(rows) or rows[at]["sequence"] != rows[at - 1]["sequence"] + 1:
                yield self._run_of(rows[begin:at])
                begin = at

    def _run_of(self, rows: Sequence[asyncpg.Record]) -> Run:
        first = rows[0]["sequence"]
        hashes, numbers = list[bytes](), list[Number | None]()
        for row in rows:
            entry = _entry_in(row)
            hashes.append(leaf_hash(b"" if entry is None else _leaf_of(entry)))
            numbers.append(None if entry is None else entry.number)
        return Run(first, hashes, self._stored(range(first, first + len(rows))), numbers)

    def _stored(self, sequences: range) -> list[bytes]:
        """Give the stored leaf hashes; an empty one where there is none."""
        found, at = list[bytes](), sequences.start
        while at < sequences.stop:
            tile = self.tile(0, at // TILE_WIDTH) or b""
            begin = at % TILE_WIDTH
            end = min(TILE_WIDTH, begin + sequences.stop - at)
            found += [tile[HASH_BYTES * n : HASH_BYTES * (n + 1)] for n in range(begin, end)]
            at += end - begin
        return found

    def _wait(self, question: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()


def _entry_in(row: asyncpg.Record) -> Entry | None:
    try:
        return entry_of(row)
    except (TypeError, ValueError, OverflowError):
        return None


def _leaf_of(entry: Entry) -> bytes:
    """Give an entry's leaf; nothing where a column is null, or of another type."""
    try:
        return entry.leaf()
    except (TypeError, ValueError):
        return b""
