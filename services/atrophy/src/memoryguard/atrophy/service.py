# SPDX-License-Identifier: Apache-2.0
"""How atrophy is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.atrophy.handlers import forget, score
from memoryguard.atrophy.settings import AtrophySettings, norms
from memoryguard.common.contracts.events import ScanErased, VolumesExtracted
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service

PROJECTION = ("measurement",)


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join atrophy's parts; norm packs that cannot be trusted stop it here."""
    norms()
    return Service(
        name="atrophy",
        handlers={
            VolumesExtracted: Handler(record=score, version=2),
            ScanErased: Handler(record=forget),
        },
        projection=PROJECTION,
    )


RECIPE = Recipe("atrophy", build, "memoryguard.atrophy.migrations", (AtrophySettings,))
