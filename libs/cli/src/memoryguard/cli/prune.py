# SPDX-License-Identifier: Apache-2.0
"""Prune the audit log: drop its oldest entries when they are older than the policy asks for.

Whole partitions are dropped, as the log's owner, which no service works as. What lets go is a
function of the database (``log.prune_one``): it refuses less than six years, what is held, and what
no checkpoint outside the box covers. The hashes stay, so every proof and the whole log still
verify; and it is an event, written in the same transaction.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Annotated

from asyncpg import InsufficientPrivilegeError, Record
from cyclopts import Parameter

from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder
from memoryguard.cli.home import Home
from memoryguard.cli.replay import Place, database
from memoryguard.cli.whoami import operator
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import LogPruned
from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.database import Connection, connect, owner_of, role_of
from memoryguard.common.runtime.outbox import Outbox

SHORTEST_YEARS = 6.0
YEAR = timedelta(days=365.25)


def command(
    *,
    years: Annotated[
        float,
        Parameter(env_var="MEMORYGUARD_AUDIT_RETENTION_YEARS", help="Retention; six at least."),
    ] = SHORTEST_YEARS,
    database_url: Annotated[
        str | None,
        Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Database; that of --home by default."),
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Drop entries older than the policy asks for, as the log's owner; every proof stays valid."""

    async def run() -> list[LogPruned]:
        async with database(Place(Home(home.resolve()), database_url)) as url:
            return await prune(url, years)

    dropped = asyncio.run(run())
    if json:
        print(dumps({"pruned": [fact.model_dump(mode="json") for fact in dropped]}))
        return
    for each in dropped:
        print(f"entries {each.first} to {each.last} are dropped")
    if not dropped:
        print("nothing is old enough, or it is held, or not under a checkpoint that has left")


async def prune(database_url: str, retention_years: float) -> list[LogPruned]:
    """Drop what is older than the retention; what was dropped, each a partition.

    Parameters
    ----------
    database_url
        Of a login that may act as the log's owner, as whoever prepared the database may.
    retention_years
        Six at least.

    Raises
    ------
    Misconfigured
        ``retention_too_short``, ``may_not_prune``, ``database_unreachable``.
    """
    if not retention_years >= SHORTEST_YEARS:
        raise Misconfigured(
            "retention_too_short",
            "the log is kept for six years at least",
            "give --years 6 or more",
        )
    older_than = datetime.now(UTC) - retention_years * YEAR
    dropped: list[LogPruned] = []
    connection = await connect(database_url)
    try:
        while (fact := await _prune_one(connection, older_than)) is not None:
            dropped.append(fact)
    except InsufficientPrivilegeError as error:
        raise Misconfigured(
            "may_not_prune",
            "this login may not act as the log's owner",
            "use the database's administrator, who prepared it",
        ) from error
    finally:
        await connection.close()
    return dropped


async def _prune_one(connection: Connection, older_than: datetime) -> LogPruned | None:
    async with connection.transaction():
        await connection.execute(f"set local role {owner_of('audit')}")
        row = await connection.fetchrow(
            "select p.*, size from log.prune_one($1) p cross join log.head", older_than
        )
        if row is None or row["first"] is None:
            return None
        fact = _fact(row)
        await connection.execute(f"set local role {role_of('audit')}")
        await connection.execute("set local search_path to audit")
        await Outbox("audit").append(connection, [fact])
        return fact


def _fact(row: Record) -> LogPruned:
    return LogPruned(
        subject_id=NOBODY,
        first=row["first"],
        last=row["last"],
        entries=row["last"] - row["first"] + 1,
        newest_logged_at=row["newest_at"],
        operator=operator(),
        size=row["size"],
    )
