# SPDX-License-Identifier: Apache-2.0
"""How ingest is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import (
    DocumentAddressed,
    DocumentMade,
    ScanAvailable,
    ScanErased,
)
from memoryguard.common.contracts.oversight import HoldLifted, HoldPlaced
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.sandbox import Sandbox
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.ingest.delivery import Intake
from memoryguard.ingest.handlers import ArrivalHandler, ResultHandler
from memoryguard.ingest.people import health, holds
from memoryguard.ingest.people.erasure import Eraser, forget
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.results.destinations import destinations
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.settling import Settling
from memoryguard.ingest.staging import Staging
from memoryguard.ingest.sweeping import Sweeper
from memoryguard.ingest.ways import publishing
from memoryguard.ingest.ways.addresses import Addresses
from memoryguard.ingest.ways.origins import Origins
from memoryguard.ingest.ways.peers import DimseSettings
from memoryguard.ingest.ways.receiver import Receiver
from memoryguard.ingest.ways.stow import Stow
from memoryguard.ingest.ways.upload import Uploads
from memoryguard.ingest.worklist import Worklist


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join ingest's parts."""
    settings = IngestSettings()
    sandbox = Sandbox("memoryguard.ingest.parsing", settings.parsers)
    stack.push_async_callback(sandbox.close)
    staging = Staging(platform, sandbox)
    identities = IdentityVault(platform.store, settings.identity_ring(platform.settings))
    settling = Settling(platform, sandbox, identities, settings)
    intake = Intake(staging, settling, settings)
    worklist = Worklist(platform, identities, settling)
    addresses, origins = Addresses(platform.pool, platform.vault), Origins(settings)
    arrivals = ArrivalHandler(platform, intake, settings, addresses, origins)
    dimse = DimseSettings()
    listed = destinations(settings, platform.settings, dimse)
    results = ResultHandler(platform, identities, listed)
    return Service(
        name="ingest",
        handlers={
            ScanAvailable: Handler(transform=arrivals.transform, record=arrivals.record),
            DocumentMade: Handler(transform=results.address, version=2),
            DocumentAddressed: Handler(transform=results.store),
            ScanErased: Handler(record=forget),
            HoldPlaced: Handler(record=holds.hear),
            HoldLifted: Handler(record=holds.hear),
        },
        routes=[
            *Uploads(platform, staging, intake, settings).routes(),
            *Stow(intake).routes(),
            *worklist.routes(),
            *Eraser(platform, identities).routes(),
            *health.routes(platform),
            *publishing.routes(platform, addresses, origins),
        ],
        background=[
            settling.run,
            worklist.run,
            Sweeper(platform).run,
            Receiver(dimse).run,
        ],
        concurrency=settings.concurrency,
    )


RECIPE = Recipe("ingest", build, "memoryguard.ingest.migrations", (IngestSettings, DimseSettings))
