# SPDX-License-Identifier: Apache-2.0
"""How the processor is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import ScanErased, ScanReceived
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.processor.extract import extract_archive, warm_up
from memoryguard.processor.handlers import Measure, ScanHandler
from memoryguard.processor.settings import ProcessorSettings


def recipe(measure: Measure = extract_archive) -> Recipe:
    """Build the processor around what measures."""

    async def build(platform: Platform, stack: AsyncExitStack) -> Service:
        settings = ProcessorSettings()
        handler = ScanHandler(platform, measure, settings.threads)

        async def warm() -> None:
            await platform.processes.run(warm_up, settings.threads)

        return Service(
            name="processor",
            handlers={ScanReceived: Handler(transform=handler.transform), ScanErased: Handler()},
            background=[warm],
            concurrency=settings.concurrency,
        )

    return Recipe("processor", build)


RECIPE = recipe()
