# SPDX-License-Identifier: Apache-2.0
"""Keeps the process alive that receives over DIMSE."""

from __future__ import annotations

import asyncio
import logging
import sys

from memoryguard.common.errors import EX_CONFIG, Misconfigured
from memoryguard.common.runtime.waiting import pause
from memoryguard.ingest.ways.peers import DimseSettings

logger = logging.getLogger(__name__)

RESTART_S = 2.0
STOP_S = 10.0


class Receiver:
    """Runs `memoryguard.ingest.ways.scp` where a port is set, and again when it dies."""

    def __init__(self, settings: DimseSettings) -> None:
        self._settings = settings

    async def run(self) -> None:
        """Run it, for ever.

        Raises
        ------
        Misconfigured
            ``dimse_misconfigured``: it cannot run as it is configured, and has said why.
        """
        while self._settings.port:
            if await self._once() == EX_CONFIG:
                raise Misconfigured("dimse_misconfigured", "DIMSE cannot be served", "see above")
            logger.warning("the DIMSE receiver died; it is started again")
            await pause(RESTART_S)

    async def _once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "memoryguard.ingest.ways.scp"
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(STOP_S):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
