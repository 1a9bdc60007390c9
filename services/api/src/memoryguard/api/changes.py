# SPDX-License-Identifier: Apache-2.0
"""Waiting for a scan to change: one listening connection for everybody who watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from memoryguard.api.projection import CHANNEL
from memoryguard.common.runtime.database import AWAY, Pool, listening
from memoryguard.common.runtime.waiting import pause, wait_until_set

logger = logging.getLogger(__name__)

ALIVE_S = 5.0
RETRY_S = 1.0


class Changes:
    """Wakes those who watch a scan when its rows change.

    Parameters
    ----------
    pool
        The service's pool; ``listen`` keeps one connection of it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watched: dict[str, set[asyncio.Event]] = {}
        self.listening = False
        """Whether every change is heard of."""

    @contextmanager
    def watching(self, scan_id: str) -> Generator[asyncio.Event]:
        """Give an event that is set whenever the scan changes; the watcher clears it."""
        changed = asyncio.Event()
        watchers = self._watched.setdefault(scan_id, set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers and self._watched.get(scan_id) is watchers:
                del self._watched[scan_id]

    async def listen(self) -> None:
        """Listen, for ever; while the database is away, watchers find changes by polling."""
        while True:
            try:
                await self._listen_once()
            except AWAY:
                logger.warning("not listening for changes")
            await pause(RETRY_S)

    async def _listen_once(self) -> None:
        async with listening(self._pool, CHANNEL, self._heard) as (connection, lost):
            self.listening = True
            for scan_id in self._watched:  # what has changed until now was not heard
                self._heard(connection, 0, CHANNEL, scan_id)
            try:
                while not lost.is_set():
                    await connection.execute("select 1")  # a half-open one is noticed by use
                    await wait_until_set(lost, ALIVE_S)
            finally:
                self.listening = False

    def _heard(self, _connection: object, _pid: int, _channel: str, scan_id: object) -> None:
        for changed in self._watched.get(str(scan_id), ()):
            changed.set()
