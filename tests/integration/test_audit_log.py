# SPDX-License-Identifier: Apache-2.0
"""The log in a real database: exactly once, append-only, and every change is found and named."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit import log
from memoryguard.audit.filing import Filing
from memoryguard.audit.service import RECIPE
from memoryguard.cli.audit import Known, verify_known
from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.note import Signer

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
ENTRIES = 40


FILING = Filing(VaultKey(bytes(32)))


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    """A log of some entries under two checkpoints."""
    async with await database.open_pool(database_url, "audit") as pool:
        packages = [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)]
        await database.migrate(pool, "audit", packages)
        entries = [FILING.file(read(n)) for n in range(ENTRIES)]
        for half in (entries[: ENTRIES // 2], entries[ENTRIES // 2 :]):
            async with pool.acquire() as connection, connection.transaction():
                assert await log.append(connection, half, {}) == []
                assert await log.sign(connection, SIGNER)
        yield pool


def read(number: int) -> Received:
    fact = AccessRead(subject_id=NOBODY, actor_id="a", action="look", service="test")
    event = new_event(fact, source="/test", event_id=f"event-{number}")
    return Received("memoryguard.access.v1", NOBODY, event.to_bytes(), number)


async def test_an_event_that_comes_again_changes_nothing(pool: Pool) -> None:
    again = [
        FILING.file(Received("memoryguard.access.v1", NOBODY, row["payload"], 1))
        for row in await pool.fetch("select payload from log.entry")
    ]
    async with pool.acquire() as connection, connection.transaction():
        assert await log.append(connection, again, {}) == []
        assert await log.sign(connection, SIGNER) is None
    assert await pool.fetchval("select size from log.head") == ENTRIES


async def test_the_same_id_with_other_bytes_is_told_and_the_first_stays(pool: Pool) -> None:
    forged = Received("memoryguard.access.v1", NOBODY, read(3).body + b" ", 1)
    async with pool.acquire() as connection, connection.transaction():
        (conflict,) = await log.append(connection, [FILING.file(forged)], {})
    assert conflict.fields["event_id"] == "event-3"
    assert await pool.fetchval("select count(*) from log.entry") == ENTRIES


PROTECTED = (
    "entry", "entry_0", "seen", "tile", "checkpoint", "sent", "cosignature", "hold", "lifted",
    "pruned",
)  # fmt: skip


@pytest.mark.parametrize("table", [*PROTECTED, "head"])
@pytest.mark.parametrize("change", ["delete from log.{}", "truncate log.{} cascade"])
async def test_the_service_has_no_right_to_change_the_past(
    pool: Pool, database_url: str, table: str, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await pool.execute(change.format(table))
    admin = await database.connect(database_url)
    try:  # whoever has the right still meets the trigger
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"append-only|only grows"):
            await admin.execute(change.format(table))
    finally:
        await admin.close()


TAMPERINGS = {
    "byte": "update log.entry set payload = set_byte(payload, 40, get_byte(payload, 40) # 1)"
    " where sequence = 17",
    "column": "update log.entry set actor = 'somebody else' where sequence = 17",
    "delete": "delete from log.entry where sequence = 17",
    "swap": "update log.entry set sequence = 1035 - sequence where sequence in (17, 18);"
    " update log.entry set sequence = sequence - 1000 where sequence > 1000",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_what_an_intruder_with_every_right_changes_is_found_and_named(
    pool: Pool, database_url: str, statement: str
) -> None:
    before = await verify_known(database_url, Known(SIGNER.verifier_key))
    assert before.intact and before.signed_size == ENTRIES
    intruder = await database.connect(database_url)
    try:
        await intruder.execute("alter table log.entry disable trigger append_only")
        await intruder.execute(statement)
    finally:
        await intruder.close()
    report = await verify_known(database_url, Known(SIGNER.verifier_key))
    assert report.first is not None
    assert (report.first.first, report.signed_size) == (17, 0)
