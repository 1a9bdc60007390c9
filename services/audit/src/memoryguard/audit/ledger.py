# SPDX-License-Identifier: Apache-2.0
"""A person's own ledger: who has looked at their data, when, what for, and who was refused.

What came under a hospital's patient number is theirs once a clinician has linked the number to
their account: the link is in the log too, and is read from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.filters import Filter, parameters
from memoryguard.audit.finding import WHOLE, bounded, page
from memoryguard.audit.opening import opened
from memoryguard.audit.queries import following, read_page
from memoryguard.common.contracts import events as e
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.conditional import answer_page
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.tlog.exported import Exported, time_text

MOST_NUMBERS = 100

WHAT: Final = {
    fact.type: word
    for fact, word in {
        e.AccessRead: "seen",
        e.AccessDenied: "refused",
        e.AccessOverridden: "glass_broken",
        e.AccessInvited: "invited",
        e.AccessGranted: "granted",
        e.AccessRevoked: "revoked",
    }.items()
}
"""Events that a ledger shows, and what it calls them."""


class Ledger:
    """The route of people's own ledgers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._people = platform.objects.keys

    def routes(self) -> Sequence[Route]:
        """Give the one route. A caregiver's leave is of results, not of who else looks at them."""
        policy = Policy("audit.ledger", roles=frozenset({"patient"}))
        return (Route("GET", "/api/v1/audit/ledger", self.ledger, policy, doc=described.LEDGER),)

    async def ledger(self, request: web.Request) -> web.Response:
        """List who did what with the caller's data, newest first."""
        limit, after = read_page(parameters(request.query, {"limit", "cursor"}))
        user_id = principal_of(request).user_id
        own = self._platform.vault.user_subject_id(user_id)
        concerns(request, subject_id=own, user_id=user_id, basis="own")
        async with bounded(self._platform.pool) as connection:
            numbers = await self._numbers(connection, own)
            wanted = Filter(subjects=(own, *numbers), types=tuple(WHAT))
            rows = await page(connection, wanted, limit + 1, after, WHOLE)
        entries = await opened(self._people, rows[:limit])
        document = {
            "entries": [_item(each, own) for each in entries],
            "patient_numbers": len(numbers),
        }
        return answer_page(request, document, following(rows, limit))

    async def _numbers(self, connection: Connection, own: str) -> list[str]:
        """Pseudonyms of the patient numbers that are linked to an account, as the log says."""
        wanted = Filter(subjects=(own,), types=(e.PatientLinked.type,))
        rows = await page(connection, wanted, MOST_NUMBERS, None, WHOLE)
        linked = _of_ingest(rows)
        found = (_data(each).get("patient") for each in await opened(self._people, linked))
        return sorted({each for each in found if isinstance(each, str)} - {own})


def _of_ingest(rows: Iterable[asyncpg.Record]) -> list[asyncpg.Record]:
    """Believe nobody but ingest whose a number is."""
    return [row for row in rows if row["source"] == source_of("ingest")]


def _item(exported: Exported, own: str) -> dict[str, Any]:
    entry, data = exported.entry, _data(exported)
    return {
        "sequence": exported.sequence,
        "at": time_text(entry.occurred_us),
        "what": WHAT[entry.type],
        "by": entry.actor,
        "by_yourself": entry.actor == own,
        "action": entry.action,
        "scan_id": entry.scan_id,
        "purpose": entry.purpose,
        "basis": data.get("basis"),
        "code": data.get("code"),
        "grantee": data.get("grantee_id"),
    }


def _data(exported: Exported) -> dict[str, Any]:
    """What the event says; nothing where it does not open any more."""
    data = (exported.parsed() or {}).get("data")
    return data if isinstance(data, dict) else {}
