# SPDX-License-Identifier: Apache-2.0
"""How review answers, and how it is built."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.events import AtrophyScored, ReviewRequested
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.runtime.service import Handler, Service


async def ask(event: Event) -> Sequence[Fact]:
    """Answer with ``review.requested`` when some region is not as it should be."""
    scored = event.data
    assert isinstance(scored, AtrophyScored)
    if scored.overall in (None, "none"):
        return []
    return [ReviewRequested(subject_id=scored.subject_id, scan_id=scored.scan_id)]


async def build(platform: Platform, stack: AsyncExitStack) -> Service:
    """Join review's parts."""
    return Service("review", handlers={AtrophyScored: Handler(transform=ask)})


RECIPE = Recipe("review", build)
