# SPDX-License-Identifier: Apache-2.0
"""Work that belongs into processes, done in this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from memoryguard.common.runtime.processes import Processes

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class InThread(Processes):
    """Work of one thread: a platform starts in no time, and shap is loaded once for all of them."""

    def __init__(self) -> None:
        super().__init__(1)
        self._one = asyncio.Lock()

    async def run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        async with self._one:
            return await asyncio.to_thread(work, *arguments)
