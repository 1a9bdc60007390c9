# SPDX-License-Identifier: Apache-2.0
"""Every refusal becomes an event; a flood of them becomes two.

Who is known is recorded refusal by refusal. Refusals of nobody known, and of whoever asks too
often, are recorded by the first of each kind at once; the others of a window are counted, and one
event says how many there were. A process that is killed loses the count of one window at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.events import AccessDenied
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.waiting import pause

logger = logging.getLogger(__name__)

ANONYMOUS = "anonymous"
COUNTED = "too_many_requests"
WINDOW_S = 60.0

Kind: TypeAlias = tuple[str, str, str]
"""Actor, action and code: what refusals alike have in common."""


@dataclass(slots=True)
class Tally:
    """Refusals alike that no event speaks of yet, and when the first of them was."""

    times: int = 0
    since: datetime | None = None


class Denials:
    """Says the refusals of one service."""

    def __init__(self, platform: Platform, window_s: float = WINDOW_S) -> None:
        self._platform = platform
        self._window_s = window_s
        self._alike: dict[tuple[str, str, str], Tally] = {}

    async def record(self, denied: AccessDenied) -> None:
        """Say a refusal, or count it when one like it was said in this window."""
        if denied.actor_id != ANONYMOUS and denied.code != COUNTED:
            await self._platform.say(denied)
            return
        kind = (denied.actor_id, denied.action, denied.code)
        if kind in self._alike:
            self._count(kind, Tally(1, datetime.now(UTC)))
            return
        self._alike[kind] = Tally()
        try:
            await self._platform.say(denied)
        except AWAY:
            self._count(kind, Tally(1, datetime.now(UTC)))

    async def flush(self) -> None:
        """Say what was counted, and begin a new window; when the database is away, count on."""
        counted, self._alike = self._alike, {}
        facts = [self._fact(kind, tally) for kind, tally in counted.items() if tally.times]
        try:
            if facts:
                await self._platform.say(*facts)
        except AWAY:
            logger.warning("counted denials not recorded yet")
            for kind, tally in counted.items():
                self._count(kind, tally)

    def _count(self, kind: Kind, more: Tally) -> None:
        tally = self._alike.setdefault(kind, Tally())
        tally.times += more.times
        tally.since = min(filter(None, (tally.since, more.since)), default=None)

    def _fact(self, kind: Kind, tally: Tally) -> AccessDenied:
        actor_id, action, code = kind
        return AccessDenied(
            subject_id=NOBODY,
            actor_id=actor_id,
            action=action,
            service=self._platform.name,
            code=code,
            times=tally.times,
            since=tally.since,
        )

    async def _flush_forever(self) -> None:
        while True:
            await pause(self._window_s)
            await self.flush()

    @asynccontextmanager
    async def flushing(self) -> AsyncGenerator[None]:
        """Say what was counted at the end of each window, and at the end."""
        task = asyncio.create_task(self._flush_forever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.flush()
