# SPDX-License-Identifier: Apache-2.0
"""How the processor is built."""

from __future__ import annotations

from contextlib import AsyncExitStack

from memoryguard.common.contracts.events import (
    AtrophyScored,
    ScanErased,
    ScanReceived,
    VolumesExtracted,
)
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service
from memoryguard.processor.documents import DocumentHandler, Draw, Tell
from memoryguard.processor.extract import extract_archive, warm_up
from memoryguard.processor.handlers import Measure, ScanHandler
from memoryguard.processor.report import report
from memoryguard.processor.segmentation import segmentation
from memoryguard.processor.settings import ProcessorSettings


def recipe(
    measure: Measure = extract_archive, draw: Draw = segmentation, tell: Tell = report
) -> Recipe:
    """Build the processor around what measures, and what makes DICOM of it and of its score."""

    async def build(platform: Platform, stack: AsyncExitStack) -> Service:
        settings = ProcessorSettings()
        scans = ScanHandler(platform, measure, settings.threads)
        documents = DocumentHandler(platform, draw, tell)

        async def warm() -> None:
            await platform.processes.run(warm_up, settings.threads)

        return Service(
            name="processor",
            handlers={
                ScanReceived: Handler(transform=scans.transform),
                VolumesExtracted: Handler(transform=documents.draw),
                AtrophyScored: Handler(transform=documents.tell),
                ScanErased: Handler(),
            },
            background=[warm],
            concurrency=settings.concurrency,
        )

    return Recipe("processor", build, settings=(ProcessorSettings,))


RECIPE = recipe()
