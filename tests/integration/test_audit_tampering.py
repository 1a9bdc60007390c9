# SPDX-License-Identifier: Apache-2.0
"""1,000 random tamperings by somebody who may do everything: 1,000 found. And what cannot be."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from tampered import ENTRIES, SENT, SIGNER, SIZES, TAMPERINGS, Intruder, build, empty, entry, write

from memoryguard.audit.elsewhere import Elsewhere
from memoryguard.cli.audit import Known, verify_as_seen
from memoryguard.common.runtime import database
from memoryguard.tlog.report import Report

TIMES = 1_000


@dataclass
class House:
    """A log, and the intruder's connection to it."""

    connection: asyncpg.Connection
    objects: Path

    async def verify(self, *notes: str) -> Report:
        known = Known(SIGNER.verifier_key, notes, Elsewhere(str(self.objects)))
        return await verify_as_seen(self.connection, known)


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncGenerator[House]:
    await build(database_url, tmp_path / "objects")
    connection = await database.connect(database_url, session_replication_role="replica")
    yield House(connection, tmp_path / "objects")
    await connection.close()


@pytest.mark.slow
async def test_a_thousand_tamperings_are_a_thousand_found(house: House) -> None:
    report = await house.verify()
    assert report.intact and report.complete
    assert (report.signed_size, report.anchored_size) == (SIZES[-1], SENT)
    found = 0
    for number in range(TIMES):
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        change = house.connection.transaction()
        await change.start()
        by = Intruder(house.connection, house.objects, random.Random(number))
        try:
            named = await tamper(by)
            report = await house.verify()
        finally:
            by.put_back()
            await change.rollback()
        what = f"{tamper.__name__}, seed {number}: {named}, {report.findings}"
        assert report.first is not None, what
        if named is not None:
            assert report.first.first in named, what
            assert report.first.last is not None, what
        found += 1
    assert found == TIMES
    assert (await house.verify()).intact  # all of it was taken back


async def test_what_no_checkpoint_elsewhere_covers_can_be_rewritten_unnoticed(house: House) -> None:
    """Said honestly: somebody with the database and the log's key, before a checkpoint left."""
    honest: str = await house.connection.fetchval(
        "select note from log.checkpoint where size = $1", SIZES[-1]
    )
    forged = [entry(n) for n in range(ENTRIES)]
    forged[SENT] = replace(forged[SENT], actor="nobody-at-all")
    await empty(house.connection)
    await write(house.connection, forged)
    report = await house.verify()
    assert report.intact  # not found, and the report says of which entries that is so
    assert (report.signed_size, report.anchored_size) == (SIZES[-1], SENT)
    report = await house.verify(honest)  # the same, had that checkpoint left the box before
    assert report.first is not None
    assert (report.first.code, report.first.checkpoint_size) == ("fork", SIZES[-1])


async def test_what_no_checkpoint_covers_can_be_rewritten_without_the_key(house: House) -> None:
    notes = await house.connection.fetch("select * from log.checkpoint")
    forged = [entry(n) for n in range(ENTRIES)]
    forged[-1] = replace(forged[-1], actor="nobody-at-all")
    await empty(house.connection)
    await write(house.connection, forged)
    assert [row["note"] for row in notes] == [
        row["note"] for row in await house.connection.fetch("select * from log.checkpoint")
    ]  # the signatures are those of before
    report = await house.verify()
    assert report.intact
    assert report.unsigned_entries == ENTRIES - SIZES[-1]


async def test_a_tail_cut_off_with_its_checkpoints_needs_one_kept_elsewhere(house: House) -> None:
    honest: str = await house.connection.fetchval(
        "select note from log.checkpoint where size = $1", SIZES[-1]
    )
    await empty(house.connection)
    await write(house.connection, [entry(n) for n in range(SENT)], SIZES[:-1])
    assert (await house.verify()).intact  # nothing that is left can tell
    report = await house.verify(honest)
    assert report.first is not None and report.first.code == "truncated"
    assert (report.first.first, report.first.last) == (SENT, SIZES[-1] - 1)
