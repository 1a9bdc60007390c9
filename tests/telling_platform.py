# SPDX-License-Identifier: Apache-2.0
"""The platform as ``memoryguard up`` runs it, but it hides nothing: for the canary test.

Logs at DEBUG and spans go to standard error, which its children inherit; the measure hands on all
that it is given (`stub_measure.telling`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import stub_measure

from memoryguard.api.service import RECIPE as API
from memoryguard.atrophy.service import RECIPE as ATROPHY
from memoryguard.audit.service import RECIPE as AUDIT
from memoryguard.cli.home import make_home
from memoryguard.cli.up import platform, serve_until_signal
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.ingest.service import RECIPE as INGEST
from memoryguard.ml.service import RECIPE as ML
from memoryguard.processor.service import recipe as processor

RECIPES = [
    INGEST,
    processor(stub_measure.telling, stub_measure.telling_drawn, stub_measure.telling_told),
    ATROPHY,
    ML,
    AUDIT,
    API,
]


async def run(home: Path) -> None:
    """Serve until a signal."""
    async with platform(make_home(home), recipes=RECIPES) as running:
        await serve_until_signal(running)


if __name__ == "__main__":
    set_up_logging("DEBUG")
    logging.getLogger("control").debug("this line is searched for")
    asyncio.run(run(Path(sys.argv[1])))
