# SPDX-License-Identifier: Apache-2.0
"""Legal holds, as audit says them: who is held is not erased."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from memoryguard.common.contracts.event import Event, Fact
from memoryguard.common.contracts.oversight import HoldLifted, HoldPlaced
from memoryguard.common.errors import Denied
from memoryguard.common.runtime.database import Connection, Pool

# A hold that was lifted before it was heard of stays lifted.
_HEARD = """
insert into hold (hold_id, held, lifted) values ($1, $2, $3)
on conflict (hold_id) do update set lifted = hold.lifted or excluded.lifted
"""
_HELD = """
select exists (select from hold where not lifted and (held is null or held = any($1::text[])))
"""


class LegalHold(Denied):
    """Somebody's data must be kept. Who tried to erase it is recorded, as every refusal."""

    http_status = 409


async def hear(event: Event, transaction: Connection) -> Sequence[Fact]:
    """Hear that a hold was placed, or lifted."""
    fact = event.data
    assert isinstance(fact, HoldPlaced | HoldLifted)  # noqa: S101  # the types it is for
    lifted = isinstance(fact, HoldLifted)
    await transaction.execute(_HEARD, fact.hold_id, fact.held_subject_id, lifted)
    return []


async def refuse_held(pool: Pool | Connection, subjects: Collection[str]) -> None:
    """Erase nobody who is held.

    Raises
    ------
    LegalHold
        ``legal_hold``.
    """
    if await pool.fetchval(_HELD, list(subjects)):
        raise LegalHold(
            "legal_hold",
            "an officer holds this person's data: it must be kept for now",
            "ask a compliance officer to lift the hold",
        )
