# SPDX-License-Identifier: Apache-2.0
"""Wait for an event, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib


async def wait_until_set(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds.

    ``asyncio.wait_for`` will not do: on Python 3.11 it swallows a cancellation that comes in the
    same moment as the event, and an endless loop around it would then never end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
