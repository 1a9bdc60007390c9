# SPDX-License-Identifier: Apache-2.0
"""Broken glass: a clinician's look at somebody's data in an emergency, without a grant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memoryguard.common.contracts.events import AccessOverridden, OverrideReason
from memoryguard.common.runtime.database import Pool
from memoryguard.common.runtime.platform import Platform

_OVERRIDE = """
insert into access_override (actor_id, user_id, subject_id, reason, expires_at)
values ($1, $2, $3, $4, $5)
on conflict (actor_id, user_id) do update set
    reason = excluded.reason, expires_at = excluded.expires_at
"""


async def is_overridden(pool: Pool, user_id: str, actor_id: str) -> bool:
    """Whether somebody has broken the glass before an account's data, and it is still open."""
    found = await pool.fetchval(
        "select expires_at > now() from access_override where user_id = $1 and actor_id = $2",
        user_id,
        actor_id,
    )
    return bool(found)


async def override(
    platform: Platform, actor_id: str, user_id: str, reason: OverrideReason, minutes: int
) -> datetime:
    """Open an account's data to somebody for a while; row and event in one. When it ends."""
    fact = AccessOverridden(
        subject_id=platform.vault.user_subject_id(user_id),
        user_id=user_id,
        actor_id=actor_id,
        reason=reason,
        expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
    )
    async with platform.pool.acquire() as connection, connection.transaction():
        await connection.execute("delete from access_override where expires_at < now()")
        await connection.execute(
            _OVERRIDE, actor_id, user_id, fact.subject_id, reason, fact.expires_at
        )
        await platform.outbox.append(connection, [fact])
    platform.outbox.wake()
    return fact.expires_at
