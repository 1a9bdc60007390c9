# SPDX-License-Identifier: Apache-2.0
"""A recovery learns from the service's own bus or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from test_runtime import SERVICE, recorded

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.outbox import Outbox
from memoryguard.common.runtime.recovery import recover


async def nothing() -> AsyncIterator[Sequence[Received]]:
    for batch in ():
        yield batch


async def test_a_bus_that_lacks_all_that_was_said_is_another_bus(database_url: str) -> None:
    async with await database.open_pool(database_url, SERVICE) as pool:
        await database.migrate(pool, SERVICE, [database.RUNTIME_MIGRATIONS])
        assert (await recover(pool, SERVICE, nothing())).said == 0  # it has said nothing yet
        async with pool.acquire() as connection, connection.transaction():
            await Outbox(SERVICE).append(connection, [recorded("a")])
        assert (await recover(pool, SERVICE, nothing())).unsent == 1
        await pool.execute("update outbox set counter = 1, sent_at = now()")
        await pool.execute("update producer set counter = 1")
        before = await pool.fetchrow("select * from producer")
        with pytest.raises(Rejected, match="bus_is_empty"):
            await recover(pool, SERVICE, nothing())
        assert await pool.fetchrow("select * from producer") == before
        assert await pool.fetchval("select to_regclass('recovering')") is None
