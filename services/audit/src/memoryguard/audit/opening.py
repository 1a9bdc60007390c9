# SPDX-License-Identifier: Apache-2.0
"""Entries opened, as far as their people have not been erased."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from memoryguard.audit.domain.plain import Exported
from memoryguard.audit.log import entry_of
from memoryguard.audit.sealing import Seal
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified


async def opened(seal: Seal, rows: Sequence[asyncpg.Record]) -> list[Exported]:
    """Open entries, given as whole rows; they carry no proofs.

    Raises
    ------
    Corrupt
        ``subject_key_corrupt``.
    Unavailable
        ``object_store_unavailable``.
    """
    entries = [entry_of(row) for row in rows]
    keys = await seal.keys_of(entries)
    return [
        open_one(row["sequence"], entry, key)
        for row, entry, key in zip(rows, entries, keys, strict=True)
    ]


def open_one(
    sequence: int, entry: Entry, key: bytes | None, proof: tuple[bytes, ...] = ()
) -> Exported:
    """Open one entry; a key that is not its own is none."""
    try:
        return Exported(sequence, entry, key, proof, entry.event(key))
    except Unverified:
        return Exported(sequence, entry, None, proof, None)
