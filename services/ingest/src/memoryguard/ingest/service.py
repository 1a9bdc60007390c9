# SPDX-License-Identifier: Apache-2.0
"""How ingest is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import ScanAvailable, ScanErased
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.ingest.handlers import ArrivalHandler
from memoryguard.ingest.http import Intake
from memoryguard.ingest.settings import IngestSettings


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join ingest's parts."""
    settings = IngestSettings()
    return Service(
        name="ingest",
        handlers={
            ScanAvailable: Handler(transform=ArrivalHandler(platform, settings).transform),
            ScanErased: Handler(),  # the runtime's tombstone is all that ingest keeps
        },
        routes=Intake(platform, settings).routes(),
        concurrency=settings.concurrency,
    )


RECIPE = Recipe("ingest", build, "memoryguard.ingest.migrations")
