# SPDX-License-Identifier: Apache-2.0
"""The embedded platform as a process of its own, with the measuring replaced by a stand-in."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import stub_measure

from memoryguard.cli.home import make_home
from memoryguard.cli.up import every_recipe, platform, serve_until_signal
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.processor.service import recipe


async def run(folder: Path) -> None:
    recipes = [r for r in every_recipe() if r.name != "processor"]
    recipes.append(recipe(stub_measure.constant, stub_measure.drawn, stub_measure.told))
    async with platform(make_home(folder), recipes=recipes) as running:
        await serve_until_signal(running)


if __name__ == "__main__":
    set_up_logging("WARNING")
    asyncio.run(run(Path(sys.argv[1])))
