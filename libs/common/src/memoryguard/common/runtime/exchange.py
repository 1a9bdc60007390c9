# SPDX-License-Identifier: Apache-2.0
"""Rows of real tables exchanged for those of their temporary copies, where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.common.runtime.database import Connection

_COLUMNS = """
select quote_ident(attname) as name, attnum = any(indkey::int2[]) as is_key
from pg_attribute a join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
order by attnum
"""


async def exchange(transaction: Connection, schema: str, tables: Sequence[str]) -> int:
    """Make the tables equal to their copies; how many rows went and came.

    Parameters
    ----------
    transaction
        In which the copies are temporary tables of the same names, and nobody else writes.
    schema
        Where the tables lie.
    tables
        Each with a primary key; a table comes after those that it refers to.
    """
    await transaction.execute("set local work_mem = '64MB'")
    for table in tables:
        await transaction.execute(f"analyze pg_temp.{table}")
    columns = {table: await _columns(transaction, f"{schema}.{table}") for table in tables}
    changed = 0
    for table in reversed(tables):
        changed += await _done(transaction, _delete(schema, table, *columns[table]))
    for table in tables:
        changed += await _done(transaction, _insert(schema, table, *columns[table]))
    return changed


def _delete(schema: str, table: str, keys: Sequence[str], names: Sequence[str]) -> str:
    old, new = (", ".join(f"{side}.{name}" for name in names) for side in ("old", "new"))
    return (
        f"delete from {schema}.{table} old where not exists (select from pg_temp.{table} new"  # noqa: S608  # names of ours
        f" where {_same(keys)} and row({old}) is not distinct from row({new}))"
    )


def _insert(schema: str, table: str, keys: Sequence[str], names: Sequence[str]) -> str:
    listed = ", ".join(names)
    return (
        f"insert into {schema}.{table} ({listed}) select {listed} from pg_temp.{table} new"  # noqa: S608  # names of ours
        f" where not exists (select from {schema}.{table} old where {_same(keys)})"
    )


async def _columns(transaction: Connection, table: str) -> tuple[list[str], list[str]]:
    rows = await transaction.fetch(_COLUMNS, table)
    return [row["name"] for row in rows if row["is_key"]], [row["name"] for row in rows]


def _same(keys: Sequence[str]) -> str:
    return " and ".join(f"old.{key} = new.{key}" for key in keys)


async def _done(transaction: Connection, statement: str) -> int:
    return int((await transaction.execute(statement)).split()[-1])
