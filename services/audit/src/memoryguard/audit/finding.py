# SPDX-License-Identifier: Apache-2.0
"""Finding entries: the newest that a filter lets through, page by page.

Every index of the log ends in ``(occurred_at, sequence)``, so a page is read off the end of one
index in each partition, whatever the log's size. Where one of several values is wanted, each of
them is looked up by itself: a list in one condition would lose the index's order.

Entries without a readable time come first. They never change, and neither does a page.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from memoryguard.audit.filters import Filter, Place
from memoryguard.audit.log import COLUMNS
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection, Pool

STATEMENT_TIMEOUT_S = 10
MAX_ACTIONS = 1000

HEADERS = ", ".join(name for name in COLUMNS if name != "payload") + ", ''::bytea as payload"
"""Columns without payloads, which lie elsewhere."""

WHOLE = ", ".join(COLUMNS)

SIZES = "sequence, occurred_at, octet_length(payload) as bytes"
"""What tells how much a page would be; the payloads themselves are not read for it."""

_SOONER = "order by occurred_at desc, sequence desc limit"

# One probe of an index for each action that there is.
_ACTIONS = """
with recursive found as (
    select min(action) as action from log.entry
    union all
    select (select min(action) from log.entry where action > found.action) from found
    where found.action is not null
)
select action from found where action is not null limit $1
"""


@asynccontextmanager
async def bounded(
    pool: Pool, seconds: int = STATEMENT_TIMEOUT_S, *, one_snapshot: bool = False
) -> AsyncGenerator[Connection]:
    """Give a connection that only reads, and gives up on what takes too long.

    Parameters
    ----------
    pool
        Of audit.
    seconds
        For each statement.
    one_snapshot
        Whether all statements see the log as it is at the first.

    Raises
    ------
    Rejected
        ``query_too_wide``.
    """
    isolation = "repeatable_read" if one_snapshot else "read_committed"
    try:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation=isolation, readonly=True),
        ):
            # A plan for no value in particular would be the wrong one for rare and common ones.
            await connection.execute(
                f"set local statement_timeout = '{seconds}s';"
                " set local plan_cache_mode = force_custom_plan"
            )
            yield connection
    except asyncpg.QueryCanceledError as error:
        raise Rejected(
            "query_too_wide",
            "the log is too large for this question",
            "ask for a shorter time, or for a person, actor, scan or action as well",
        ) from error


async def page(
    connection: Connection, wanted: Filter, limit: int, after: Place | None, columns: str = HEADERS
) -> list[asyncpg.Record]:
    """Give the newest entries that are wanted, those after a place if one is given."""
    actions = await _actions(connection, wanted.action)
    if actions is not None and not actions:
        return []
    sql, values = statement(wanted, actions, limit, after, columns)
    return await connection.fetch(sql, *values)


async def whole(connection: Connection, sequences: Sequence[int]) -> list[asyncpg.Record]:
    """Give entries with their payloads, in the order in which they are named."""
    rows = await connection.fetch(
        f"select {WHOLE} from log.entry where sequence = any($1::bigint[])",  # noqa: S608
        sequences,
    )
    found = {row["sequence"]: row for row in rows}
    return [found[sequence] for sequence in sequences if sequence in found]


def place_of(row: asyncpg.Record) -> Place:
    """Where a page that ends with this row ends."""
    return Place(row["occurred_at"], row["sequence"])


async def _actions(connection: Connection, wanted: str | None) -> list[str] | None:
    """Give the actions that are meant; None for all."""
    if wanted is None or not wanted.endswith("*"):
        return None if wanted is None else [wanted]
    rows = await connection.fetch(_ACTIONS, MAX_ACTIONS + 1)
    if len(rows) > MAX_ACTIONS:
        raise Rejected("query_too_wide", "the log has too many actions to look through", "name one")
    return [row["action"] for row in rows if row["action"].startswith(wanted[:-1])]


def statement(
    wanted: Filter, actions: Sequence[str] | None, limit: int, after: Place | None, columns: str
) -> tuple[str, list[object]]:
    """Write the statement of a page, with its values."""
    values: list[object] = [limit]
    lists, conditions = list[str](), list[str]()

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    for column, choices in (
        ("subject_id", wanted.subjects), ("actor", wanted.actors), ("action", actions or ()),
    ):  # fmt: skip
        if len(choices) == 1:
            conditions.append(f"{column} = {bound(choices[0])}")
        elif choices:
            name = f"of_{column}"
            lists.append(f"unnest({bound(list(choices))}::text[]) as {name} (wanted)")
            conditions.append(f"{column} = {name}.wanted")
    for column, operator, value in (
        ("scan_id", "=", wanted.scan_id), ("outcome", "=", wanted.outcome),
        ("purpose", "=", wanted.purpose), ("occurred_at", ">=", wanted.since),
        ("occurred_at", "<", wanted.until), ("sequence", "<", wanted.below),
    ):  # fmt: skip
        if value is not None:
            conditions.append(f"{column} {operator} {bound(value)}")
    if wanted.outcome in ("denied", "failure"):
        conditions.append("outcome <> 'success'")  # as the index says it
    if wanted.types:
        conditions.append(f"type = any({bound(list(wanted.types))})")
    if after is not None and after.occurred_at is None:
        conditions.append(f"(occurred_at is not null or sequence < {bound(after.sequence)})")
    elif after is not None:
        place = f"({bound(after.occurred_at)}::timestamptz, {bound(after.sequence)}::bigint)"
        conditions.append(f"(occurred_at, sequence) < {place}")
    where = f"where {' and '.join(conditions)} " if conditions else ""
    inner = f"select {columns} from log.entry {where}{_SOONER} $1"  # noqa: S608  # names of ours
    if not lists:
        return inner, values
    return f"select e.* from {', '.join(lists)}, lateral ({inner}) as e {_SOONER} $1", values  # noqa: S608
