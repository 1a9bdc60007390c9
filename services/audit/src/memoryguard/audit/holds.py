# SPDX-License-Identifier: Apache-2.0
"""Legal holds: entries about a person, or all, are not pruned, and a held person is not erased."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import asyncpg
from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.bodies import Holding
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import HoldLifted, HoldPlaced
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.body import read_model
from memoryguard.common.http.conditional import answer_json
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy, Role

PATH = "/api/v1/audit/holds"

_HOLDS = """
select hold_id, subject_id, reason, hold.actor, placed_at, lifted_at, lifted.actor as lifted_by
from log.hold left join log.lifted using (hold_id)
order by placed_at desc, hold_id limit 1000
"""
_LIFT = """
insert into log.lifted (hold_id, actor)
select hold_id, $2 from log.hold where hold_id = $1
on conflict (hold_id) do nothing returning hold_id
"""


class NoHold(Rejected):
    """There is no such hold."""

    http_status = 404


class Lifted(Rejected):
    """The hold has ended already."""

    http_status = 409


class Holds:
    """The routes of holds."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        officers = frozenset[Role]({"compliance"})
        listing, placing = Policy("audit.holds", officers), Policy("audit.hold", officers)
        lifting = Policy("audit.hold-lift", officers)
        return (
            Route("GET", PATH, self.listed, listing, doc=described.HOLDS),
            Route("POST", PATH, self.place, placing, doc=described.PLACE, keyed=True),
            Route("DELETE", PATH + "/{hold_id}", self.lift, lifting, doc=described.LIFT),
        )

    async def listed(self, request: web.Request) -> web.Response:
        """List holds, those placed last first."""
        rows = await self._platform.pool.fetch(_HOLDS)
        return answer_json(request, {"holds": [_shown(row) for row in rows]})

    async def place(self, request: web.Request) -> web.Response:
        """Place a hold."""
        body = await read_model(request, Holding)
        held = body.subject
        if body.user is not None:
            held = self._platform.vault.user_subject_id(body.user)
        _tell_whom(request, held)
        fact = HoldPlaced(
            subject_id=NOBODY,
            hold_id=str(uuid.uuid4()),
            held_subject_id=held,
            actor_id=principal_of(request).user_id,
            reason=body.reason,
        )
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into log.hold (hold_id, subject_id, reason, actor) values ($1, $2, $3, $4)",
                *(fact.hold_id, held, fact.reason, fact.actor_id),
            )
            await self._platform.outbox.append(connection, [fact])
        self._platform.outbox.wake()
        return web.json_response({"hold_id": fact.hold_id, "subject_id": held}, status=201)

    async def lift(self, request: web.Request) -> web.Response:
        """Lift a hold."""
        hold_id, actor = request.match_info["hold_id"], principal_of(request).user_id
        async with self._platform.pool.acquire() as connection, connection.transaction():
            row = await _find(connection, hold_id)
            _tell_whom(request, row["subject_id"])
            if await connection.fetchval(_LIFT, hold_id, actor) is None:
                raise Lifted("already_lifted", "this hold was lifted already")
            fact = HoldLifted(
                subject_id=NOBODY,
                hold_id=hold_id,
                held_subject_id=row["subject_id"],
                actor_id=actor,
                reason=row["reason"],
            )
            await self._platform.outbox.append(connection, [fact])
        self._platform.outbox.wake()
        return web.json_response({"hold_id": hold_id, "lifted": True})


async def _find(connection: Connection, hold_id: str) -> asyncpg.Record:
    row = None
    if hold_id.isprintable():
        row = await connection.fetchrow(
            "select subject_id, reason from log.hold where hold_id = $1", hold_id
        )
    if row is None:
        raise NoHold("not_found", "there is no such hold")
    return row


def _tell_whom(request: web.Request, held: str | None) -> None:
    if held is not None:
        concerns(request, subject_id=held, basis="role")


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    lifted_at = row["lifted_at"]
    return {
        "hold_id": row["hold_id"],
        "subject_id": row["subject_id"],
        "reason": row["reason"],
        "placed_by": row["actor"],
        "placed_at": row["placed_at"].isoformat(),
        "lifted_by": row["lifted_by"],
        "lifted_at": lifted_at.isoformat() if lifted_at else None,
    }
