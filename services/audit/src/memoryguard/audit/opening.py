# SPDX-License-Identifier: Apache-2.0
"""Entries opened, as far as their people have not been erased.

Keys are asked for each time and not kept, as the appender keeps them: what is erased is closed at
once.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from memoryguard.audit.log import entry_of
from memoryguard.audit.sealing import Seal
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.exported import Exported


async def opened(people: SubjectKeys, rows: Sequence[asyncpg.Record]) -> list[Exported]:
    """Open entries, given as whole rows; they carry no proofs.

    Raises
    ------
    Corrupt
        ``subject_key_corrupt``.
    Unavailable
        ``object_store_unavailable``.
    """
    entries = [entry_of(row) for row in rows]
    keys = await keys_of(people, entries)
    return [
        open_one(row["sequence"], entry, key)
        for row, entry, key in zip(rows, entries, keys, strict=True)
    ]


async def keys_of(people: SubjectKeys, entries: Sequence[Entry]) -> list[bytes | None]:
    """Give the key of each sealed entry, as of now; None where there is none, or no more."""
    return await Seal(people).keys_of(entries)


def open_one(
    sequence: int, entry: Entry, key: bytes | None, proof: tuple[bytes, ...] = ()
) -> Exported:
    """Open one entry; a key that is not its own is none."""
    try:
        return Exported(sequence, entry, key, proof, entry.event(key))
    except Unverified:
        return Exported(sequence, entry, None, proof, None)
