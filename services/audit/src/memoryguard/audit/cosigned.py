# SPDX-License-Identifier: Apache-2.0
"""What witnesses have signed, as it is stored, and the newest checkpoint with their signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.tlog.cosignature import WitnessKey

LAG_S = 60.0
"""How long a checkpoint may wait for its first cosignature before it is shown without."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its key, and the address below which it answers."""

    key: WitnessKey
    url: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a witness has signed: the size, its signature line, and when, as it says."""

    key: WitnessKey
    size: int
    line: str
    at_s: int


async def cosigned_note(pool: Pool | Connection) -> str | None:
    """Give the newest checkpoint that witnesses have signed, with all their signatures.

    Where one has waited for them for more than a minute, or there are none, it is the newest
    checkpoint as it is: whoever asks for witnesses then sees that they are missing. None before the
    first checkpoint.
    """
    row = await pool.fetchrow(_NEWEST, LAG_S)
    if row is None:
        return None
    lines = await pool.fetch(_LINES, row["size"])
    return row["note"] + "".join(each["line"] for each in lines)


_NEWEST = """
with cosigned as (
    select size, note from log.checkpoint where size = (select max(size) from log.cosignature)
)
select size, note from cosigned where not exists (
    select from log.checkpoint
    where size > cosigned.size and signed_at < now() - make_interval(secs => $1)
)
union all (select size, note from log.checkpoint order by size desc limit 1)
order by size
limit 1
"""

_LINES = """
select distinct on (witness) witness, line from (
    select witness, line, signed_at from log.witness where size = $1
    union all select witness, line, signed_at from log.cosignature where size = $1
) as signed
order by witness, signed_at desc
"""


async def last_confirmed(pool: Pool | Connection, key: WitnessKey) -> tuple[int, float] | None:
    """Give size and time of what a witness has signed last, if it has."""
    row = await pool.fetchrow(
        "select size, signed_at from log.witness where witness = $1", str(key)
    )
    return (row["size"], row["signed_at"].timestamp()) if row else None


async def keep(pool: Pool, confirmed: Sequence[Confirmed]) -> None:
    """Store what witnesses have signed in one round, all at once."""
    rows = [(c.size, str(c.key), c.line, datetime.fromtimestamp(c.at_s, UTC)) for c in confirmed]
    async with pool.acquire() as connection, connection.transaction():
        await connection.executemany(
            "insert into log.cosignature (size, witness, line, signed_at) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            rows,
        )
        await connection.executemany(
            "insert into log.witness (size, witness, line, signed_at) values ($1, $2, $3, $4)"
            " on conflict (witness) do update"
            " set size = excluded.size, line = excluded.line, signed_at = excluded.signed_at"
            " where witness.size <= excluded.size",
            rows,
        )
