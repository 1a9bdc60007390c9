# SPDX-License-Identifier: Apache-2.0
"""How ingest is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import ScanAvailable, ScanErased
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.ingest.erasure import Eraser, forget
from memoryguard.ingest.handlers import ArrivalHandler
from memoryguard.ingest.http import Intake
from memoryguard.ingest.identity import IdentityVault
from memoryguard.ingest.settings import IngestSettings


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join ingest's parts."""
    settings = IngestSettings()
    identities = IdentityVault(platform.store, settings.identity_ring(platform.settings))
    return Service(
        name="ingest",
        handlers={
            ScanAvailable: Handler(transform=ArrivalHandler(platform, settings).transform),
            ScanErased: Handler(record=forget),
        },
        routes=[*Intake(platform, settings).routes(), *Eraser(platform, identities).routes()],
        concurrency=settings.concurrency,
    )


RECIPE = Recipe("ingest", build, "memoryguard.ingest.migrations")
