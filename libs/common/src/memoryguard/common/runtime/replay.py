# SPDX-License-Identifier: Apache-2.0
"""Read the bus again from the earliest event: after a fault in a projection, or a restore.

A service reads as one consumer group per *generation*. To begin anew is to raise the generation in
its schema: every replica notices, leaves the old group and joins the new one. Nothing is asked of a
broker, the service goes on serving, and both buses do the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from memoryguard.common.errors import Rejected, Unavailable
from memoryguard.common.runtime.database import AWAY, Connection, Pool, session_lock

logger = logging.getLogger(__name__)

POLL_S = 1.0  # how soon an idle replica notices; a busy one with its next batch
TRIES = 5


class Outdated(Unavailable):
    """The bus was begun anew: what was read before may not be stored any more."""

    def __init__(self) -> None:
        super().__init__("outdated_generation", "the bus is being read again from its beginning")

    def __reduce__(self) -> tuple[type[Outdated], tuple[()]]:  # type: ignore[override]
        """Take no arguments."""
        return type(self), ()


def group_of(name: str, generation: int) -> str:
    """Consumer group of a generation; the first has the plain name."""
    return f"{name}.{generation}" if generation else name


async def current_generation(pool: Pool) -> int:
    """Read which generation feeds."""
    generation: int = await pool.fetchval("select generation from feed")  # pyright: ignore[reportAssignmentType]
    return generation


async def hold_generation(transaction: Connection, generation: int) -> None:
    """Keep the generation as it is until the end of the transaction.

    Without it, a replica that has not noticed yet could store a person's latest event before the
    replay brings the earlier ones.

    Raises
    ------
    Outdated
        It is another one by now.
    """
    if await transaction.fetchval("select generation from feed for share") != generation:
        raise Outdated


async def feed_until_outdated(
    pool: Pool, generation: int, feeding: Coroutine[Any, Any, None]
) -> None:
    """Run what feeds, and end it when its generation is over."""
    tasks = [asyncio.create_task(feeding), asyncio.create_task(_outdated(pool, generation))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except Outdated:
        pass  # the feeder met it before the watch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    logger.info("the bus is read again from its beginning", extra={"after": generation})


async def _outdated(pool: Pool, generation: int) -> None:
    """Return when the generation is over."""
    while True:
        await asyncio.sleep(POLL_S)
        # A database that is away is the feeder's concern: nobody leaves the group for it.
        with contextlib.suppress(*AWAY):
            if await current_generation(pool) != generation:
                return


async def replay(pool: Pool) -> int:
    """Have everything fed again; the inbox drops what it knows. The new generation."""
    async with pool.acquire() as connection, connection.transaction():
        return await next_generation(connection)


async def rebuild(pool: Pool, projection: Sequence[str]) -> int:
    """Empty projection and inbox together, and have everything fed again.

    What a handler has in hand is rolled back: its inbox row is gone, and positions are never given
    twice. Outgoing events keep their derived ids, so the outbox, which stays, drops them.
    Tombstones stay too: an erased person does not come back.

    Parameters
    ----------
    pool
        The service's.
    projection
        Tables that are derived from events, in the order in which handlers write to them.

    Returns
    -------
    int
        The new generation.

    Raises
    ------
    Rejected
        ``nothing_to_rebuild``.
    """
    if not projection:
        raise Rejected(
            "nothing_to_rebuild",
            "no table of this service is derived from events alone",
            "api, atrophy and ml have such tables; `memoryguard replay` feeds again",
        )
    for _ in range(TRIES - 1):
        try:
            return await _rebuild(pool, projection)
        except asyncpg.DeadlockDetectedError:  # with a handler that wrote in another order
            logger.info("rebuilding is tried again")
    return await _rebuild(pool, projection)


async def _rebuild(pool: Pool, projection: Sequence[str]) -> int:
    async with pool.acquire() as connection, connection.transaction():
        # First the generation, or a feeder that holds it would wait for the inbox, and we for it.
        # Last the inbox, which is what handlers write last. Positions go on: a fence of an old row
        # must never fit a new one.
        generation = await next_generation(connection)
        tables = ", ".join([*projection, "inbox"])
        await connection.execute(f"truncate {tables} continue identity")
    return generation


async def next_generation(transaction: Connection) -> int:
    """Begin the bus anew; feeders of the old generation have ended their transactions."""
    generation: int = await transaction.fetchval(  # pyright: ignore[reportAssignmentType]
        "update feed set generation = generation + 1 returning generation"
    )
    return generation


@asynccontextmanager
async def stopped(pool: Pool, service: str) -> AsyncGenerator[Connection]:
    """Hold a service's relay lock on a connection: no replica of it publishes meanwhile.

    Raises
    ------
    Rejected
        ``service_running``.
    """
    async with (
        pool.acquire() as connection,
        session_lock(connection, "relay", service, wait=False) as held,
    ):
        if not held:
            raise Rejected("service_running", f"{service} is running", "stop every replica first")
        yield connection


async def republish(pool: Pool, service: str) -> int:
    """Have everything said again that was ever said; how many events. The bus was lost.

    Numbers and bytes are those of the first time, so the audit log and the inboxes drop what they
    know.
    """
    async with stopped(pool, service) as connection:
        status = await connection.execute(
            "update outbox set sent_at = null where counter is not null and sent_at is not null"
        )
    return int(status.split()[-1])
