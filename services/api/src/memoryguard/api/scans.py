# SPDX-License-Identifier: Apache-2.0
"""Scans out of the read model."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from memoryguard.api.status import Arrived, Standing, standing
from memoryguard.api.wanted import Wanted
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Pool
from memoryguard.common.security.policy import Principal

_SELECT = """
select s.scan_id, s.subject_id, s.user_id, s.created_at, s.updated_at, (
    select jsonb_object_agg(f.kind, jsonb_build_object(
        'at', f.at, 'first_at', f.first_at, 'data', f.data))::text
    from scan_fact f where f.scan_id = s.scan_id) as facts
from scan s
"""
_ORDER = " order by s.created_at desc, s.scan_id desc limit "
_BY_ID = _SELECT + "where s.scan_id = $1"
_OF_USER = (
    _SELECT
    + "where s.user_id = $1"
    + " and ($2::timestamptz is null or (s.created_at, s.scan_id) < ($2, $3::text))"
    + _ORDER
    + "$4"
)
SEEN = (
    "$2 or s.user_id = $1 and $3 or $4 and s.user_id is null"
    " or ($4 or $5) and s.user_id in (select user_id from access_grant where grantee_id = $1"
    " and granted and 'results' = any(scopes) and (expires_at is null or expires_at > now()))"
    " or $4 and s.user_id in (select user_id from access_override where actor_id = $1"
    " and expires_at > now())"
)
"""Whether the results of scan ``s`` are for a caller (as ``Access.basis``); see `seen_by`."""
_VISIBLE = (
    f"{_SELECT}where ({SEEN}) and ($6::text is null or s.user_id = $6)"
    " and ($7::timestamptz is null or (s.created_at, s.scan_id) < ($7, $8::text))"
)


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as far as it is known."""

    scan_id: str
    subject_id: str
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    facts: dict[str, Arrived]

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        return standing(self.facts)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of a list ended."""

    created_at: datetime
    scan_id: str

    def to_text(self) -> str:
        """Write it for a URL."""
        text = f"{self.created_at.isoformat()}|{self.scan_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """Read what `to_text` wrote.

        Raises
        ------
        Rejected
            ``bad_cursor``.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            at, _, scan_id = base64.urlsafe_b64decode(padded.encode()).decode().partition("|")
            created_at = datetime.fromisoformat(at)
            if created_at.tzinfo is None or not scan_id.isprintable():
                raise ValueError
            created_at = created_at.astimezone(UTC)
        except (ValueError, OverflowError, binascii.Error) as error:
            raise Rejected("bad_cursor", "the cursor is not one of ours") from error
        return cls(created_at, scan_id)


async def find(pool: Pool, scan_id: str) -> Scan | None:
    """One scan, or None."""
    row = await pool.fetchrow(_BY_ID, scan_id)
    return _scan(row) if row else None


async def page_of_user(
    pool: Pool, user_id: str, limit: int, after: Cursor | None
) -> tuple[list[Scan], Cursor | None]:
    """A user's scans, newest first, and the cursor of the next page when there is one."""
    return _page(await pool.fetch(_OF_USER, user_id, *_place(after), limit + 1), limit)


async def visible_to(
    pool: Pool,
    principal: Principal,
    user_id: str | None,
    limit: int,
    after: Cursor | None,
    wanted: Wanted,
    *,
    everybody: bool,
) -> tuple[list[Scan], Cursor | None]:
    """Give the scans whose results a caller may see (as ``Access.basis``), as `page_of_user`.

    Parameters
    ----------
    user_id
        Only those of this account; None for all.
    wanted
        Which of them.
    """
    given = (*seen_by(principal, everybody=everybody), user_id, *_place(after), limit + 1)
    conditions, values = wanted.conditions(len(given) + 1)
    rows = await pool.fetch(f"{_VISIBLE}{conditions}{_ORDER}$9", *given, *values)
    return _page(rows, limit)


def seen_by(principal: Principal, *, everybody: bool) -> tuple[str, bool, bool, bool, bool]:
    """Give the first five parameters of a query with `SEEN` in it."""
    clinician = "clinician" in principal.roles
    patient, caregiver = "patient" in principal.roles, "caregiver" in principal.roles
    return principal.user_id, clinician and everybody, patient, clinician, caregiver


async def latest_health(pool: Pool, user_id: str | None) -> dict[str, dict[str, Any]]:
    """Give the latest value of each health metric of an account, with where it came from."""
    rows = await pool.fetch(
        "select metric, value, provenance from health where user_id = $1 order by metric", user_id
    )
    return {r["metric"]: {"value": r["value"], "provenance": r["provenance"]} for r in rows}


def _place(after: Cursor | None) -> tuple[datetime | None, str | None]:
    return (after.created_at, after.scan_id) if after else (None, None)


def _page(rows: Sequence[asyncpg.Record], limit: int) -> tuple[list[Scan], Cursor | None]:
    """Make a page of rows; one more than its limit says that there is another page."""
    scans = [_scan(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return scans, None
    return scans, Cursor(scans[-1].created_at, scans[-1].scan_id)


def _scan(row: asyncpg.Record) -> Scan:
    facts: dict[str, Any] = json.loads(row["facts"]) if row["facts"] else {}
    return Scan(
        scan_id=row["scan_id"],
        subject_id=row["subject_id"],
        user_id=row["user_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        facts={
            kind: Arrived(
                at=datetime.fromisoformat(fact["at"]),
                first_at=datetime.fromisoformat(fact["first_at"]),
                data=fact["data"],
            )
            for kind, fact in facts.items()
        },
    )
