# SPDX-License-Identifier: Apache-2.0
"""Old entries go as the policy says, as the owner alone, and every proof outlives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.audit import log, proving
from memoryguard.audit.filing import Filing
from memoryguard.audit.service import RECIPE
from memoryguard.cli.audit import Known, verify_known
from memoryguard.cli.prune import prune
from memoryguard.common.contracts.event import NOBODY, new_event
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime import database
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.keyring import VaultKey
from memoryguard.tlog.note import Signer

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.generate())
FILING = Filing(VaultKey(bytes(32)))
NOW = datetime.now(UTC)
YEARS_OLD = (9, 7, 6.5, 1)
PARTITION = 256
HELD = "b" * 32


def read(number: int, subject_id: str = NOBODY) -> Received:
    fact = AccessRead(subject_id=subject_id, actor_id="a", action="look", service="test")
    event = new_event(fact, source="/test", event_id=f"event-{number}")
    return Received("memoryguard.access.v1", subject_id, event.to_bytes(), number)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncGenerator[Pool]:
    """Four partitions of entries: nine, seven, six and a half, and one year old."""
    admin = await database.connect(database_url)
    await admin.execute(f"update log.shape set partition_entries = {PARTITION}")
    await admin.close()
    async with await database.open_pool(database_url, "audit") as pool:
        packages = [database.RUNTIME_MIGRATIONS, str(RECIPE.migrations)]
        await database.migrate(pool, "audit", packages)
        for part, years in enumerate(YEARS_OLD):
            at = NOW - timedelta(days=365.25 * years)
            await add(pool, part * PARTITION, HELD if part == 1 else NOBODY, at)
        yield pool


async def add(pool: Pool, first: int, subject_id: str, at: datetime) -> None:
    filed = [FILING.file(read(first + n, subject_id)) for n in range(PARTITION)]
    async with pool.acquire() as connection, connection.transaction():
        assert await log.append(connection, filed, {HELD: bytes(32)}, at) == []
        assert await log.sign(connection, SIGNER)


async def leave_the_box(pool: Pool) -> None:
    await pool.execute("insert into log.sent (size) select size from log.checkpoint")


async def parts(pool: Pool) -> list[int]:
    rows = await pool.fetch("select distinct sequence / 256 as part from log.entry order by 1")
    return [row["part"] for row in rows]


async def test_what_is_older_than_the_policy_goes_and_everything_still_verifies(
    pool: Pool, database_url: str
) -> None:
    await leave_the_box(pool)
    before = [await proving.prove(pool, at) for at in (0, 300, 700, 900)]
    dropped = await prune(database_url, 6)
    assert [(each.first, each.last) for each in dropped] == [(0, 255), (256, 511), (512, 767)]
    assert await parts(pool) == [3]
    assert [await proving.prove(pool, at) for at in (0, 300, 700, 900)] == before
    report = await verify_known(database_url, Known(SIGNER.verifier_key))
    assert report.intact, report
    said = await pool.fetch("select body from outbox order by position")
    assert len(said) == 3 and all(b"memoryguard.log.pruned.v1" in row["body"] for row in said)
    assert await prune(database_url, 6) == []


async def test_an_event_that_was_pruned_does_not_come_back(pool: Pool, database_url: str) -> None:
    await leave_the_box(pool)
    await prune(database_url, 8)
    async with pool.acquire() as connection, connection.transaction():
        assert len(await log.append(connection, [FILING.file(read(3))], {})) == 1  # another time
        size = await connection.fetchval("select size from log.head")
    assert size == 4 * PARTITION
    assert await parts(pool) == [1, 2, 3]


async def test_a_longer_policy_keeps_more(pool: Pool, database_url: str) -> None:
    await leave_the_box(pool)
    assert [each.last for each in await prune(database_url, 8)] == [255]


async def test_nothing_goes_before_a_checkpoint_over_it_has_left(
    pool: Pool, database_url: str
) -> None:
    assert await prune(database_url, 6) == []
    await pool.execute("insert into log.sent (size) values (512)")
    assert [each.last for each in await prune(database_url, 6)] == [255, 511]


@pytest.mark.parametrize("subject_id", [HELD, None])
async def test_what_is_held_stays_until_the_hold_is_lifted(
    pool: Pool, database_url: str, subject_id: str | None
) -> None:
    await leave_the_box(pool)
    await pool.execute(
        "insert into log.hold (hold_id, subject_id, reason, actor)"
        " values ('h', $1, 'litigation', 'officer')",
        subject_id,
    )
    first = 1 if subject_id else 0
    assert len(await prune(database_url, 6)) == first
    assert await parts(pool) == [0, 1, 2, 3][first:]
    await pool.execute("insert into log.lifted (hold_id, actor) values ('h', 'officer')")
    assert len(await prune(database_url, 6)) == 3 - first


@pytest.mark.parametrize("years", [5.99, 0, -1, float("nan")])
async def test_less_than_six_years_is_refused(database_url: str, years: float) -> None:
    with pytest.raises(Misconfigured, match="retention_too_short"):
        await prune(database_url, years)


async def test_the_database_itself_refuses_less_and_refuses_the_service(
    pool: Pool, database_url: str
) -> None:
    await leave_the_box(pool)
    admin = await database.connect(database_url)
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="six years"):
            await admin.execute("select log.prune_one(now() - interval '5 years')")
    finally:
        await admin.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("select log.prune_one(now() - interval '7 years')")
    for statement in ("drop table log.entry_0", "alter table log.entry disable trigger all",
                      "insert into log.pruned values (0, 255, now(), now())",
                      "update log.shape set partition_entries = 256"):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


async def test_pruning_as_somebody_else_says_what_is_missing(pool: Pool, database_url: str) -> None:
    await leave_the_box(pool)
    with pytest.raises(Misconfigured, match="may_not_prune"):
        await prune(database_url.replace("postgres@", "memoryguard_audit@"), 6)
