# SPDX-License-Identifier: Apache-2.0
"""What becomes of a row whose handler failed: put back for later, or given up with a letter."""

from __future__ import annotations

import logging
import random

from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.events import DeliveryFailed
from memoryguard.common.contracts.flow import FACTS
from memoryguard.common.errors import Corrupt, MemoryGuardError, Rejected
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.database import AWAY, Pool
from memoryguard.common.runtime.outbox import Outbox

logger = logging.getLogger(__name__)

MAX_BUG_ATTEMPTS = 3
MAX_BACK_OFF_S = 300.0
BUGS_IN_A_ROW = 20  # then the worker stops instead of draining the topic


class Settler:
    """Turns errors of one service's handlers into outcomes of its rows."""

    def __init__(self, service: str, pool: Pool, outbox: Outbox) -> None:
        self._service = service
        self._pool = pool
        self._outbox = outbox
        self._bugs = 0

    def succeeded(self) -> None:
        """Forget the bugs so far: they were not in a row."""
        self._bugs = 0

    async def settle(self, row: inbox.Row, error: Exception) -> str:
        """Write down what becomes of the row, and say it in one word.

        Raises
        ------
        Corrupt
            The error itself; or ``too_many_bugs``.
        """
        if isinstance(error, Corrupt):
            logger.critical("record contradicts itself", extra=self._fields(row), exc_info=error)
            raise error
        try:
            return await self._settle(row, error)
        except AWAY:
            # The lease runs out by itself and the row comes again.
            logger.warning("row not settled", extra=self._fields(row))
            return "lost"

    async def _settle(self, row: inbox.Row, error: Exception) -> str:
        if isinstance(error, inbox.LostLease):
            return "lost"
        if isinstance(error, Rejected):
            await self._bury(row, error.code)
            return "rejected"
        if isinstance(error, AWAY):
            code = error.code if isinstance(error, MemoryGuardError) else "database_away"
            await inbox.back_off(self._pool, row, _seconds(row.attempts), code, counts=False)
            return "unavailable"
        return await self._settle_bug(row, error)

    async def _settle_bug(self, row: inbox.Row, error: Exception) -> str:
        logger.error("handler failed", extra=self._fields(row), exc_info=error)
        self._bugs += 1
        if row.attempts >= MAX_BUG_ATTEMPTS:
            await self._bury(row, "bug")
        else:
            await inbox.back_off(self._pool, row, _seconds(row.attempts), "bug", counts=True)
        if self._bugs >= BUGS_IN_A_ROW:
            raise Corrupt("too_many_bugs", "handlers keep failing; the worker stops") from error
        return "bug"

    async def _bury(self, row: inbox.Row, code: str) -> None:
        logger.warning("event given up", extra=self._fields(row) | {"code": code})
        async with self._pool.acquire() as connection, connection.transaction():
            await self._outbox.append(connection, [self._dead_letter(row, code)])
            await inbox.bury(connection, row, code)
        self._outbox.wake()

    def _dead_letter(self, row: inbox.Row, code: str) -> DeliveryFailed:
        try:
            scan_id = getattr(decode(row.body, FACTS).data, "scan_id", None)
        except Rejected:
            scan_id = None
        return DeliveryFailed(
            subject_id=row.key,
            service=self._service,
            topic=row.topic,
            event_id=row.event_id,
            event_source=row.source,
            event_type=row.type,
            code=code,
            attempts=row.attempts,
            scan_id=scan_id,
        )

    def _fields(self, row: inbox.Row) -> dict[str, object]:
        return {
            "service": self._service,
            "type": row.type,
            "event_id": row.event_id,
            "attempts": row.attempts,
        }


def _seconds(attempts: int) -> float:
    """Exponential back-off with full jitter, at least half a second."""
    ceiling = min(2.0**attempts, MAX_BACK_OFF_S)
    return 0.5 + random.random() * ceiling  # noqa: S311  # jitter, not a secret
