# SPDX-License-Identifier: Apache-2.0
"""Verify the audit log of a platform offline, straight from its database and checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from memoryguard.audit.domain.note import VerifierKey
from memoryguard.audit.domain.report import Entry, Report
from memoryguard.audit.verify import verify_log
from memoryguard.cli.home import Home
from memoryguard.common.runtime.database import Connection, connect
from memoryguard.common.runtime.postgres import embedded_postgres

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
    notes = await connection.fetch("select note from audit.checkpoint order by size")
    rows = await connection.fetch("select sequence, body, hash from audit.entry order by sequence")
    nodes = await connection.fetch("select level, position, hash from audit.node")
    stored = {(n["level"], n["position"]): bytes(n["hash"]) for n in nodes}
    return await asyncio.to_thread(
        verify_log,
        [_entry(row) for row in rows],
        [row["note"] for row in notes],
        key,
        witnessed=off_the_box,
        nodes=lambda level, position: stored.get((level, position)),
    )


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(row["sequence"], bytes(row["body"]), bytes(row["hash"]))


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
