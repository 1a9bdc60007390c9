# SPDX-License-Identifier: Apache-2.0
"""Cancellations: ours are never lost, and a library's are never taken for ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from memoryguard.common.runtime.kafka_client import leave
from memoryguard.common.runtime.waiting import endless


async def stray() -> None:
    """Hand on that a task of one's own was cancelled, as `aiokafka` does when it is closed."""
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await task


class Part:
    """A part of a client, whose every method hands its cancellation on."""

    def __init__(self) -> None:
        self._pending_tasks = {asyncio.ensure_future(asyncio.sleep(60))}
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1
        await stray()

    _stop_heartbeat_task = _stop_commit_offsets_refresh_task = close


class Client:
    """What is closed of a consumer of aiokafka."""

    def __init__(self) -> None:
        self._coordinator, self._fetcher, self._client = Part(), Part(), Part()

    async def stop(self) -> None:
        await stray()


async def test_who_leaves_a_group_is_not_cancelled_by_the_client() -> None:
    with pytest.raises(asyncio.CancelledError):
        await Client().stop()
    client: Any = Client()
    await leave(client)
    assert (client._coordinator.closed, client._fetcher.closed, client._client.closed) == (2, 1, 1)
    assert all(task.cancelled() for task in client._fetcher._pending_tasks)


async def test_a_cancellation_of_nobody_is_an_error() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(endless(stray()))
    assert isinstance(caught.value.exceptions[0], RuntimeError)
    async with asyncio.TaskGroup() as group:  # as it would be without: nobody is told
        group.create_task(stray())


async def test_who_is_cancelled_ends() -> None:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(endless(asyncio.sleep(60)))
        await asyncio.sleep(0)
        running.cancel()
    assert running.cancelled()
