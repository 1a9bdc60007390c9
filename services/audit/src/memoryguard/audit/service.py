# SPDX-License-Identifier: Apache-2.0
"""How audit is built. It has no handlers: its log is its own inbox."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.audit.exports import Exports
from memoryguard.audit.holds import Holds
from memoryguard.audit.http import Queries
from memoryguard.audit.ledger import Ledger
from memoryguard.audit.queries import Search
from memoryguard.audit.review import Reviews
from memoryguard.audit.settings import AuditSettings
from memoryguard.audit.tasks import Appender, Notary
from memoryguard.audit.witnessing import Witnessing
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Service


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join audit's parts."""
    settings = AuditSettings()
    signer = settings.signer()
    notary = Notary(platform, platform.store, signer, settings.checkpoint_s)
    witnesses = settings.witness_addresses()
    witnessing = Witnessing(platform.pool, witnesses, settings.checkpoint_s, settings.cosign_s)
    return Service(
        name="audit",
        routes=[
            *Queries(platform, signer).routes(),
            *Search(platform).routes(),
            *Exports(platform, signer).routes(),
            *Reviews(platform).routes(),
            *Ledger(platform).routes(),
            *Holds(platform).routes(),
        ],
        background=[Appender(platform).run, notary.run, *([witnessing.run] if witnesses else [])],
    )


RECIPE = Recipe("audit", build, "memoryguard.audit.migrations", (AuditSettings,))
