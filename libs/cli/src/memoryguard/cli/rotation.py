# SPDX-License-Identifier: Apache-2.0
"""Rotate the deployment's keys: every subject's key is wrapped anew, and no scan is touched.

Services go on meanwhile: they read a key under any key of their ring, and one is replaced by
another in one step. Killed in the middle it is simply run again: what is under the first key of the
ring is passed over.

An erased person stays erased. While keys are overwritten the lock of `subject_keys.hold` is held,
and an erasure waits for it. And should this process be lost with a write still on its way, which
then lands after an erasure: ingest's table ``erasure`` knows who must not have a key, and each run
destroys the keys of these people again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from memoryguard.common.errors import Corrupt, Unavailable
from memoryguard.common.runtime import subject_keys
from memoryguard.common.runtime.database import Connection, Pool, session_lock
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.common.security.keyring import KeyRing

BATCH = 64
"""Keys under one lock, side by side: an erasure waits for no more than this."""

Told = Callable[[int, int], None]
"""Hears how many keys are done, of how many."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys of a deployment, and the subjects' keys that are wrapped with them."""

    name: str
    keyring: KeyRing
    keys: SubjectKeys


@dataclass(slots=True)
class Census:
    """How many subjects' keys are wrapped with which key of the ring.

    ``rewrapped`` of them were wrapped anew just before it was taken.
    """

    name: str
    fingerprints: Sequence[str]
    under: Counter[int] = field(default_factory=Counter[int])
    erased: int = 0
    unreadable: int = 0
    rewrapped: int = 0

    @property
    def settled(self) -> bool:
        """Whether the first key alone opens everything."""
        return not self.unreadable and not any(self.under[n] for n in self.under if n > 0)

    def document(self) -> dict[str, Any]:
        """Write it as plain data."""
        return {
            "ring": self.name,
            "keys": [
                {"position": n, "fingerprint": name, "subjects": self.under[n]}
                for n, name in enumerate(self.fingerprints)
            ],
            "erased": self.erased,
            "unreadable": self.unreadable,
            "first_key_suffices": self.settled,
        }


async def count(ring: Ring) -> Census:
    """Look at every subject's key."""
    census = Census(ring.name, ring.keyring.fingerprints)
    subjects = await _subjects(ring)
    for done in range(0, len(subjects), BATCH):
        batch = subjects[done : done + BATCH]
        await asyncio.gather(*(_count_one(ring, census, subject) for subject in batch))
    return census


async def _count_one(ring: Ring, census: Census, subject_id: str) -> None:
    try:
        place = await ring.keys.place(subject_id)
    except Corrupt:
        census.unreadable += 1
        return
    if place is None:
        census.erased += 1
    else:
        census.under[place] += 1


async def rotate(ring: Ring, pool: Pool, told: Told = lambda done, total: None) -> Census:
    """Wrap every subject's key under the first key of the ring; what there is then.

    Parameters
    ----------
    ring
        Keys, the current one first.
    pool
        Of ingest's role, which knows who is erased.
    told
        Hears of the progress.

    Raises
    ------
    Unavailable
        ``rotation_under_way``, ``object_store_unavailable``.
    """
    async with (
        pool.acquire() as connection,
        session_lock(connection, "rotation", ring.name, wait=False) as held,
    ):
        if not held:
            raise Unavailable("rotation_under_way", "somebody else is rotating the keys just now")
        subjects, rewrapped = await _subjects(ring), 0
        for done in range(0, len(subjects), BATCH):
            told(done, len(subjects))
            async with connection.transaction():
                rewrapped += await _rewrap(ring, connection, subjects[done : done + BATCH])
        told(len(subjects), len(subjects))
        census = await count(ring)
        census.rewrapped = rewrapped
        return census


async def _rewrap(ring: Ring, transaction: Connection, subjects: Sequence[str]) -> int:
    """Wrap these subjects' keys anew; how many needed it."""
    await subject_keys.hold(transaction)
    rows = await transaction.fetch(
        "select subject_id from erasure where subject_id = any($1)", subjects
    )
    erased = {row["subject_id"] for row in rows}
    _, done = await asyncio.gather(
        asyncio.gather(*(ring.keys.destroy(subject) for subject in erased)),
        asyncio.gather(*(_rewrap_one(ring, s) for s in subjects if s not in erased)),
    )
    return sum(done)


async def _rewrap_one(ring: Ring, subject_id: str) -> bool:
    try:
        return await ring.keys.rewrap(subject_id)
    except Corrupt:
        return False  # no key of the ring opens it: the census says so, and the others go on


async def _subjects(ring: Ring) -> list[str]:
    return [subject async for subject in ring.keys.subjects()]
