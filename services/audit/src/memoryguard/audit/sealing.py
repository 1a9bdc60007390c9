# SPDX-License-Identifier: Apache-2.0
"""The keys that entries are sealed under and opened with; an erasure destroys them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.tlog.entry import Entry, entry_key

KEPT_S = 60.0
KEPT_SUBJECTS = 20_000
AT_ONCE = 32


class Seal:
    """Knows the keys of people and of entries.

    Parameters
    ----------
    keys
        Everybody's keys, as the whole platform uses them.
    """

    def __init__(self, keys: SubjectKeys) -> None:
        self._keys = keys
        self._kept: dict[str, tuple[bytes | None, float]] = {}
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def subject_keys(self, subjects: Collection[str]) -> dict[str, bytes | None]:
        """Give everybody's key, made where there is none; None for the erased and for nobody.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        return {NOBODY: None} | await self._keys_of(subjects, create=True)

    async def keys_of(self, entries: Sequence[Entry]) -> list[bytes | None]:
        """Give the key of each sealed entry; None where there is none, or no more.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``.
        Unavailable
            ``object_store_unavailable``.
        """
        sealed = {entry.subject_id for entry in entries if entry.form == "sealed"}
        keys = await self._keys_of(sealed, create=False)
        return [
            entry_key(key, entry.source, entry.event_id, entry.digest)
            if entry.form == "sealed" and (key := keys[entry.subject_id]) is not None
            else None
            for entry in entries
        ]

    async def _keys_of(self, subjects: Collection[str], *, create: bool) -> dict[str, bytes | None]:
        """Give log keys: kept for a minute, since a batch speaks of few people again and again."""
        wanted = [subject for subject in subjects if subject != NOBODY]
        now = time.monotonic()
        kept = {s: self._kept[s] for s in wanted if s in self._kept}
        found = {s: key for s, (key, until) in kept.items() if until > now}
        missing = [s for s in wanted if s not in found]
        asked = await asyncio.gather(*(self._ask(s, create=create) for s in missing))
        if len(self._kept) + len(missing) > KEPT_SUBJECTS:
            self._kept.clear()
        self._kept |= {s: (key, now + KEPT_S) for s, key in zip(missing, asked, strict=True) if key}
        return found | dict(zip(missing, asked, strict=True))

    async def _ask(self, subject_id: str, *, create: bool) -> bytes | None:
        async with self._asking:
            try:
                return await self._keys.get(subject_id, create=create)
            except Rejected:  # erased, or never made
                return None
