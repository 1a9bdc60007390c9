# SPDX-License-Identifier: Apache-2.0
"""Whose a hospital's patient number is: links between keyed hashes of numbers and accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection, Pool


@dataclass(frozen=True, slots=True)
class Link:
    """A number's account.

    One that is not ``confirmed`` comes from the account's own upload. It keeps the number from
    being used for somebody else, and gives the account nothing that others send.
    """

    user_id: str
    subject_id: str
    confirmed: bool


# A confirmed link takes the place of one that is not, and of no other.
_LINK = """
insert into alias (alias, subject_id, user_id, confirmed, linked_by) values ($1, $2, $3, $4, $5)
on conflict (alias) do update set
    subject_id = excluded.subject_id, user_id = excluded.user_id,
    confirmed = excluded.confirmed, linked_by = excluded.linked_by, linked_at = now()
where excluded.confirmed and not alias.confirmed
"""


async def make_link(transaction: Connection, alias: str, link: Link, linked_by: str) -> None:
    """Link a number to an account.

    Raises
    ------
    Rejected
        ``patient_mismatch``: it is linked to another account.
    """
    await transaction.execute(
        _LINK, alias, link.subject_id, link.user_id, link.confirmed, linked_by
    )
    if (await links_of(transaction, [alias]))[alias].subject_id != link.subject_id:
        raise mismatch()


def mismatch() -> Rejected:
    """Say that a number is linked to another account."""
    return Rejected(
        "patient_mismatch",
        "this patient number belongs to somebody else here",
        "check the account, or ask a clinician to resolve it",
    )


async def links_of(pool: Pool | Connection, aliases: Collection[str]) -> Mapping[str, Link]:
    """Give the links of those numbers that have one."""
    rows = await pool.fetch(
        "select alias, user_id, subject_id, confirmed from alias where alias = any($1)",
        list(aliases),
    )
    return {row["alias"]: Link(row["user_id"], row["subject_id"], row["confirmed"]) for row in rows}
