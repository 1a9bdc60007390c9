# SPDX-License-Identifier: Apache-2.0
"""Verify the audit log of a platform offline, straight from its database and checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from memoryguard.audit.log import entry_of
from memoryguard.cli.home import Home
from memoryguard.common.runtime.database import Connection, connect
from memoryguard.common.runtime.postgres import embedded_postgres
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.report import Report, Stored
from memoryguard.tlog.tiles import node_in, tile_of
from memoryguard.tlog.verify import verify_log
from memoryguard.tlog.window import StoredNodes

ORIGIN = "memoryguard/audit"


async def verify_home(home: Home) -> Report:
    """Verify the log of a home, whether its platform runs or not."""
    async with database_of(home) as url:
        return await verify_database(url, key_of(home), await sent_checkpoints(home))


async def verify_database(url: str, key: VerifierKey, off_the_box: list[str]) -> Report:
    """Verify the log in a database.

    Parameters
    ----------
    url
        Of a login that may read the schema ``audit``.
    key
        The log's public key.
    off_the_box
        Checkpoints that were stored elsewhere: they are what a database's owner cannot rewrite.
    """
    connection = await connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await verify_connection(connection, key, off_the_box)
    finally:
        await connection.close()


async def verify_connection(
    connection: Connection, key: VerifierKey, off_the_box: list[str]
) -> Report:
    """Verify the log as a connection sees it, inside one snapshot."""
    notes = await connection.fetch("select note from log.checkpoint order by size")
    rows = await connection.fetch("select * from log.entry order by sequence")
    nodes = await _stored_nodes(connection)
    return await asyncio.to_thread(
        verify_log,
        (_stored(row, nodes) for row in rows),
        [row["note"] for row in notes],
        key,
        witnessed=off_the_box,
        nodes=nodes,
    )


async def _stored_nodes(connection: Connection) -> StoredNodes:
    """Read nodes from the stored tiles, as they are."""
    rows = await connection.fetch("select level, position, hashes from log.tile")
    tiles = {(row["level"], row["position"]): bytes(row["hashes"]) for row in rows}
    head = await connection.fetchrow("select size, levels from log.head")
    size, levels = (head["size"], head["levels"]) if head else (0, [])
    for level, hashes in enumerate(levels):
        tiles.setdefault((level, size >> 8 * (level + 1)), bytes(hashes))

    def get(level: int, position: int) -> bytes | None:
        hashes = tiles.get(tile_of((level, position)))
        return None if hashes is None else node_in((level, position), hashes)

    return get


def _stored(row: asyncpg.Record, nodes: StoredNodes) -> Stored:
    entry, sequence = entry_of(row), row["sequence"]
    numbered = entry.epoch is not None and entry.counter is not None
    number = (entry.source, entry.epoch or "", entry.counter or 0) if numbered else None
    return Stored(sequence, entry.leaf(), nodes(0, sequence), number)


async def sent_checkpoints(home: Home) -> list[str]:
    """Checkpoints in a home's object store, the smallest first."""
    return await asyncio.to_thread(_read_checkpoints, home.folder / "objects" / "checkpoints")


def _read_checkpoints(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("*")) if path.is_file()]


@asynccontextmanager
async def database_of(home: Home) -> AsyncGenerator[str]:
    """Yield the URL of a home's database; a stopped platform's is started for the while."""
    running = home.running()
    if running:
        yield running["database_url"]
        return
    with home.locked():
        async with embedded_postgres(home.folder / "postgres") as url:
            yield url


def report_document(report: Report) -> dict[str, Any]:
    """Write a report as plain data."""
    return {
        "intact": report.intact,
        "complete": report.complete,
        "entries": report.size,
        "signed_entries": report.signed_size,
        "checkpoints": report.checkpoints,
        "unsigned_entries": report.unsigned_entries,
        "findings": [
            {"code": f.code, "message": f.message, "first": f.first, "last": f.last}
            for f in report.findings
        ],
        "gaps": len(report.gaps),
        "repeats": len(report.repeats),
    }


def key_of(home: Home) -> VerifierKey:
    """Return the key that a home's log is verified with; ``str`` of it is its C2SP form."""
    return VerifierKey(ORIGIN, home.audit_public_key())
