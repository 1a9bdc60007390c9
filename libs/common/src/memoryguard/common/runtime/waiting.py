# SPDX-License-Identifier: Apache-2.0
"""Wait, without a cancellation being lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable


async def wait_until_set(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds.

    ``asyncio.wait_for`` will not do: on Python 3.11 it swallows a cancellation that comes in the
    same moment as the event, and an endless loop around it would then never end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def pause(seconds: float) -> None:
    """Sleep in a loop that goes on after errors; ends a task that was cancelled all the same.

    When a cancellation meets a lost connection, the clean-up's error takes its place, and a loop
    that tries again after such errors would never end.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
    await asyncio.sleep(seconds)


async def endless(loop: Awaitable[None]) -> None:
    """Run a loop that nobody ends but who cancels this task.

    A library may hand on that a task of its own was cancelled. That would end the loop as well, and
    a task group takes it for an end in order: the service would go on, and hear nothing more.

    Raises
    ------
    RuntimeError
        The loop was cancelled, and this task was not.
    """
    try:
        await loop
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise RuntimeError("a loop was ended by a cancellation that is not ours") from error
