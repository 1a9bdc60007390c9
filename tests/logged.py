# SPDX-License-Identifier: Apache-2.0
"""What the audit log holds, opened with the keys of a home."""

from __future__ import annotations

import json
from typing import Any

from asyncpg import Connection, Pool

from memoryguard.audit.log import entry_of
from memoryguard.audit.sealing import Seal
from memoryguard.cli.home import Home
from memoryguard.common.runtime.blobs import open_store
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing


async def logged(database: Connection | Pool, home: Home, where: str = "true") -> list[bytes]:
    """Every event that can be read, in the order of the log."""
    rows = await database.fetch(f"select * from log.entry where {where} order by sequence")
    entries = [entry_of(row) for row in rows]
    ring = KeyRing(home.ring("encryption.key"))
    seal = Seal(SubjectKeys(open_store(str(home.folder / "objects")), ring))
    keys = await seal.keys_of(entries)
    events = [entry.event(key) for entry, key in zip(entries, keys, strict=True)]
    return [event for event in events if event is not None]


async def logged_documents(
    database: Connection | Pool, home: Home, where: str = "true"
) -> list[dict[str, Any]]:
    """The same, as documents."""
    return [json.loads(event) for event in await logged(database, home, where)]
