# SPDX-License-Identifier: Apache-2.0
"""How ml is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import AtrophyScored, HealthRecorded, ScanErased
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.ml.handlers import VERSION, Predictor, forget, remember_health, remember_scan
from memoryguard.ml.settings import MlSettings

PROJECTION = ("metric", "scored")


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join ml's parts."""
    predictor = Predictor(platform.pool, platform.processes)
    return Service(
        name="ml",
        handlers={
            AtrophyScored: Handler(predictor.answer_scan, remember_scan, version=VERSION),
            HealthRecorded: Handler(predictor.answer_health, remember_health, version=VERSION),
            ScanErased: Handler(record=forget),
        },
        background=[predictor.warm_up],
        projection=PROJECTION,
    )


RECIPE = Recipe("ml", build, "memoryguard.ml.migrations", (MlSettings,))
