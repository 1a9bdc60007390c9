# SPDX-License-Identifier: Apache-2.0
"""The log in a real database: exactly once, append-only, and every change is found and named."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit import log
from memoryguard.audit.domain.note import Signer
from memoryguard.audit.service import RECIPE
from memoryguard.cli.audit import verify_database
from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
ENTRIES = 40


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    """A log of some entries under two checkpoints."""
    async with await database.open_pool(database_url, "audit") as pool:
        packages = [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)]
        await database.migrate(pool, "audit", packages)
        records = [read(n) for n in range(ENTRIES)]
        for half in (records[: ENTRIES // 2], records[ENTRIES // 2 :]):
            async with pool.acquire() as connection, connection.transaction():
                assert await log.append(connection, half) == []
                assert await log.sign(connection, SIGNER)
        yield pool


def read(number: int) -> Received:
    fact = AccessRead(subject_id=NOBODY, actor_id="a", action="look", service="test")
    event = new_event(fact, source="/test", event_id=f"event-{number}")
    return Received("memoryguard.access.v1", NOBODY, event.to_bytes(), number)


async def test_an_event_that_comes_again_changes_nothing(pool: Pool) -> None:
    again = [
        Received("memoryguard.access.v1", NOBODY, bytes(row["body"]), 1)
        for row in await pool.fetch("select body from entry")
    ]
    async with pool.acquire() as connection, connection.transaction():
        assert await log.append(connection, again) == []
        assert await log.sign(connection, SIGNER) is None
    assert await pool.fetchval("select size from head") == ENTRIES


async def test_the_same_id_with_other_bytes_is_told_and_the_first_stays(pool: Pool) -> None:
    forged = Received("memoryguard.access.v1", NOBODY, read(3).body + b" ", 1)
    async with pool.acquire() as connection, connection.transaction():
        (conflict,) = await log.append(connection, [forged])
    assert conflict.event_id == "event-3"
    assert await pool.fetchval("select count(*) from entry") == ENTRIES


@pytest.mark.parametrize("table", ["entry", "node", "checkpoint"])
@pytest.mark.parametrize("change", ["delete from {}", "truncate {}"])
async def test_not_even_the_service_may_change_the_past(
    pool: Pool, table: str, change: str
) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(change.format(table))


TAMPERINGS = {
    "byte": "update audit.entry set body = set_byte(body, 40, get_byte(body, 40) # 1)"
    " where sequence = 17",
    "byte and hash": "update audit.entry set body = body || ' '::bytea,"
    " hash = sha256('\\x00'::bytea || body || ' '::bytea) where sequence = 17",
    "delete": "delete from audit.entry where sequence = 17",
    "swap": "update audit.entry e set body = o.body, hash = o.hash from audit.entry o"
    " where (e.sequence, o.sequence) in ((17, 18), (18, 17))",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_what_an_intruder_with_every_right_changes_is_found_and_named(
    pool: Pool, database_url: str, statement: str
) -> None:
    before = await verify_database(database_url, SIGNER.verifier_key, [])
    assert before.intact and before.signed_size == ENTRIES
    intruder = await database.connect(database_url)
    try:
        await intruder.execute("alter table audit.entry disable trigger user")
        await intruder.execute(statement)
    finally:
        await intruder.close()
    report = await verify_database(database_url, SIGNER.verifier_key, [])
    assert report.first is not None
    assert (report.first.first, report.signed_size) == (17, 0)


async def test_a_tail_cut_off_with_its_checkpoint_is_found_by_the_copy_elsewhere(
    pool: Pool, database_url: str
) -> None:
    elsewhere = [row["note"] for row in await pool.fetch("select note from checkpoint")]
    intruder = await database.connect(database_url)
    try:
        for table in ("entry", "node", "checkpoint"):
            await intruder.execute(f"alter table audit.{table} disable trigger user")
        await intruder.execute("delete from audit.entry where sequence >= 20")
        await intruder.execute("delete from audit.checkpoint where size > 20")
    finally:
        await intruder.close()
    key = SIGNER.verifier_key
    assert (await verify_database(database_url, key, [])).intact  # nothing here can tell
    report = await verify_database(database_url, key, elsewhere)
    assert report.first is not None and report.first.code == "truncated"
