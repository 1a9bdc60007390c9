# SPDX-License-Identifier: Apache-2.0
"""Clears away what a crash left: objects that no row names, and files that were being written.

Bytes are written before the row that names them, so an object without a row is either about to get
one or never will. After ``GRACE`` it never will. What nobody asks for again goes as well.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable
from datetime import UTC, datetime, timedelta

from memoryguard.common.runtime import blobs
from memoryguard.common.runtime.database import AWAY, lock
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.waiting import pause
from memoryguard.ingest.settling import SWEEPING

logger = logging.getLogger(__name__)

EVERY_S = 3600.0
RETRY_S = 60.0
GRACE = timedelta(hours=24)
BATCH = 1000

_ADDRESSES = "delete from address where given_at < now() - interval '30 days'"
_ANSWERS = "delete from answer where given_at < now() - interval '24 hours'"
_STAGED = "select object->>'uri' as path from image where object->>'uri' = any($1)"
_SCANS = """
select path from unnest($1::text[]) as path
where exists (
    select from scan where subject_id = split_part(path, '/', 2) and right(path, 33)
        = to_char(received_at at time zone 'utc', 'YYYYMMDD"T"HH24MISS"Z-"') || left(sha256, 16)
)
"""


class Sweeper:
    """Sweeps now and then.

    Parameters
    ----------
    platform
        Of ingest.
    grace
        How old an object is before it is taken for left over.
    """

    def __init__(self, platform: Platform, grace: timedelta = GRACE) -> None:
        self._platform = platform
        self._grace = grace

    async def run(self) -> None:
        """Sweep, for ever."""
        while True:
            try:
                await self.sweep()
                await pause(EVERY_S)
            except AWAY:
                await pause(RETRY_S)

    async def sweep(self) -> int:
        """Sweep once; how many objects and unfinished files were deleted."""
        await self._platform.pool.execute(_ANSWERS)
        await self._platform.pool.execute(_ADDRESSES)
        swept = await self._sweep("staging", _STAGED) + await self._sweep("scans", _SCANS)
        swept += await blobs.clear_unfinished(self._platform.store, self._before())
        if swept:
            logger.info("swept", extra={"objects": swept})
        return swept

    async def _sweep(self, folder: str, named: str) -> int:
        """Delete what is old and is not among the paths that a query gives."""
        swept = 0
        async for batch in _batches(self._old(folder)):
            async with self._platform.pool.acquire() as connection, connection.transaction():
                await lock(connection, SWEEPING)  # or one of them might get its row now
                kept = {row["path"] for row in await connection.fetch(named, batch)}
                left_over = [path for path in batch if path not in kept]
                await self._platform.objects.delete(left_over)
            swept += len(left_over)
        return swept

    async def _old(self, folder: str) -> AsyncGenerator[str]:
        before = self._before()
        async for blob in self._platform.objects.list(folder):
            if blob.written_at < before:
                yield blob.path

    def _before(self) -> datetime:
        return datetime.now(UTC) - self._grace


async def _batches(paths: AsyncIterable[str]) -> AsyncGenerator[list[str]]:
    batch: list[str] = []
    async for path in paths:
        batch.append(path)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
