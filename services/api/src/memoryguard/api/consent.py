# SPDX-License-Identifier: Apache-2.0
"""Consent as rows: written together with the events that say so.

What is granted or taken back here holds for the next request to any replica: every look at
somebody else's data asks these rows.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from memoryguard.api.projection import CHANNEL
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import new_event
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import Connection, Pool
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.telemetry import current_traceparent

INVITATION_LIFETIME = timedelta(days=7)
CODE_BYTES = 24
MAX_INVITATIONS = 50
MAX_SHOWN = 500

_IS_GRANTED = """
select exists (select from access_grant where user_id = $1 and grantee_id = $2 and granted
    and $3 = any(scopes) and (expires_at is null or expires_at > now()))
"""
_INVITE = """
insert into access_invitation (invitation_id, user_id, subject_id, grantee_id, code_sha256, scopes,
    grant_expires_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (user_id, grantee_id) do update set
    invitation_id = excluded.invitation_id, scopes = excluded.scopes,
    grant_expires_at = excluded.grant_expires_at, expires_at = excluded.expires_at,
    accepted_by = null
"""
_OFFERED = """
select invitation_id, user_id, subject_id, scopes, grant_expires_at, accepted_by
from access_invitation
where (code_sha256 = $1 or user_id = $2 and grantee_id = $3)
    and (accepted_by is null or accepted_by = $3)
    and expires_at > now() and grant_expires_at > now()
for update
"""
# Later than whatever was said of these two before, whichever replica's turn it was.
_GRANT = """
insert into access_grant as known
    (user_id, grantee_id, subject_id, granted, at, scopes, expires_at)
values ($1, $2, $3, true, clock_timestamp(), $4, $5)
on conflict (user_id, grantee_id) do update set
    subject_id = excluded.subject_id, granted = true, scopes = excluded.scopes,
    expires_at = excluded.expires_at,
    at = greatest(excluded.at, known.at + interval '1 microsecond')
returning at
"""
_REVOKE = """
update access_grant
set granted = false, scopes = '{}', expires_at = null,
    at = greatest(clock_timestamp(), at + interval '1 microsecond')
where user_id = $1 and grantee_id = $2 and granted
returning at
"""
# Whoever has one of the person's scans open looks again whether they may.
_WAKE = "select pg_notify($1, scan_id) from scan where user_id = $2"
_NOW = "select clock_timestamp()"
_LISTS = {
    "items": """
        select grantee_id, scopes, expires_at from access_grant
        where user_id = $1 and granted and (expires_at is null or expires_at > now())
        order by grantee_id limit $2""",
    "received": """
        select user_id, scopes, expires_at from access_grant
        where grantee_id = $1 and granted and (expires_at is null or expires_at > now())
        order by user_id limit $2""",
    "invitations": """
        select invitation_id, grantee_id, scopes, expires_at from access_invitation
        where user_id = $1 and accepted_by is null and expires_at > now()
        order by expires_at, invitation_id limit $2""",
    "invited_by": """
        select user_id, scopes, expires_at from access_invitation
        where grantee_id = $1 and accepted_by is null and expires_at > now()
        order by user_id limit $2""",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a person offers: to an account, or to whoever has the code."""

    grantee_id: str | None
    scopes: tuple[e.Scope, ...]
    grant_expires_at: datetime


async def is_granted(pool: Pool, user_id: str, grantee_id: str, scope: e.Scope) -> bool:
    """Whether an account lets another one see this, now."""
    return bool(await pool.fetchval(_IS_GRANTED, user_id, grantee_id, scope))


async def invite(
    platform: Platform, user_id: str, offer: Invitation
) -> tuple[uuid.UUID, str | None, datetime]:
    """Store an invitation; its id, its code when it is for whoever has that, and its end.

    Raises
    ------
    Rejected
        ``too_many_invitations``, ``erased``.
    """
    subject_id = platform.vault.user_subject_id(user_id)
    code = None if offer.grantee_id else secrets.token_urlsafe(CODE_BYTES)
    invitation_id, expires_at = uuid.uuid4(), datetime.now(UTC) + INVITATION_LIFETIME
    async with platform.pool.acquire() as connection, connection.transaction():
        await _may_invite(connection, user_id, subject_id)
        await connection.execute(
            _INVITE,
            invitation_id,
            user_id,
            subject_id,
            offer.grantee_id,
            _digest(code) if code else None,
            list(offer.scopes),
            offer.grant_expires_at,
            expires_at,
        )
        fact = e.AccessInvited(
            subject_id=subject_id,
            user_id=user_id,
            grantee_id=offer.grantee_id,
            scopes=offer.scopes,
            expires_at=expires_at,
            actor_id=user_id,
        )
        await platform.outbox.append(connection, [fact])
    platform.outbox.wake()
    return invitation_id, code, expires_at


async def _may_invite(connection: Connection, user_id: str, subject_id: str) -> None:
    if await connection.fetchval("select true from tombstone where subject_id = $1", subject_id):
        raise Rejected("erased", "this person's data is erased")
    await connection.execute("delete from access_invitation where expires_at < now()")
    open_now: int = await connection.fetchval(  # pyright: ignore[reportAssignmentType]
        "select count(*) from access_invitation where user_id = $1 and accepted_by is null", user_id
    )
    if open_now >= MAX_INVITATIONS:
        raise Rejected(
            "too_many_invitations", "too many invitations are open", "withdraw some of them"
        )


async def accept(
    platform: Platform, grantee_id: str, *, code: str | None, user_id: str | None
) -> e.AccessGranted | None:
    """Take an invitation up, by its code or from an account; None when there is none.

    Raises
    ------
    Rejected
        ``own_account``.
    """
    async with platform.pool.acquire() as connection, connection.transaction():
        digest = _digest(code) if code else None
        row = await connection.fetchrow(_OFFERED, digest, user_id, grantee_id)
        if row is None:
            return None
        if row["user_id"] == grantee_id:
            raise own_account()
        fact = e.AccessGranted(
            subject_id=row["subject_id"],
            user_id=row["user_id"],
            grantee_id=grantee_id,
            actor_id=grantee_id,
            scopes=tuple(row["scopes"]),
            expires_at=row["grant_expires_at"],
        )
        if row["accepted_by"] is None:  # else the answer was lost on its way, and here it is again
            await _grant(platform, connection, fact, row["invitation_id"])
    platform.outbox.wake()
    return fact


async def _grant(
    platform: Platform, connection: Connection, fact: e.AccessGranted, invitation_id: uuid.UUID
) -> None:
    await connection.execute(
        "update access_invitation set accepted_by = $2 where invitation_id = $1",
        invitation_id,
        fact.grantee_id,
    )
    at: datetime = await connection.fetchval(  # pyright: ignore[reportAssignmentType]
        _GRANT, fact.user_id, fact.grantee_id, fact.subject_id, list(fact.scopes), fact.expires_at
    )
    await _say(platform, connection, fact, at)


def own_account() -> Rejected:
    """Refuse to let somebody see what is theirs anyway."""
    return Rejected("own_account", "your own results are yours anyway")


async def revoke(platform: Platform, user_id: str, grantee_id: str) -> None:
    """Take back what an account may see, and what it was offered."""
    subject_id = platform.vault.user_subject_id(user_id)
    async with platform.pool.acquire() as connection, connection.transaction():
        # The offer first: whoever is just accepting it has finished then, and is seen.
        offered = await connection.fetchval(
            "with gone as (delete from access_invitation where user_id = $1"
            " and (grantee_id = $2 or accepted_by = $2) returning grantee_id, accepted_by)"
            " select bool_or(accepted_by is null) from gone",
            user_id,
            grantee_id,
        )
        at: datetime | None = await connection.fetchval(_REVOKE, user_id, grantee_id)
        if at or offered:
            fact = e.AccessRevoked(
                subject_id=subject_id, user_id=user_id, grantee_id=grantee_id, actor_id=user_id
            )
            await _say(platform, connection, fact, at or await connection.fetchval(_NOW))
    platform.outbox.wake()


async def withdraw(pool: Pool, user_id: str, invitation_id: uuid.UUID) -> bool:
    """Take an invitation back; False when the account has no such one open."""
    found = await pool.fetchval(
        "delete from access_invitation where user_id = $1 and invitation_id = $2"
        " and accepted_by is null returning true",
        user_id,
        invitation_id,
    )
    return bool(found)


async def listed(pool: Pool, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Whom an account lets see what, who lets it, and what is offered to and by it."""
    return {
        name: [
            {column: _plain(value) for column, value in row.items()}
            for row in await pool.fetch(query, user_id, MAX_SHOWN)
        ]
        for name, query in _LISTS.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


async def _say(
    platform: Platform,
    connection: Connection,
    fact: e.AccessGranted | e.AccessRevoked,
    at: datetime,
) -> None:
    """Say a fact with the time of its row: hearing it again then changes nothing."""
    event = new_event(
        fact,
        source=source_of(platform.name),
        traceparent=current_traceparent(),
        time=at.astimezone(UTC),
    )
    await platform.outbox.write(connection, [event])
    await connection.execute(_WAKE, CHANNEL, fact.user_id)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
