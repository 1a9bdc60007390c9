# SPDX-License-Identifier: Apache-2.0
"""What an activity review looks at, read from the log: a period's entries, as far as they open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from memoryguard.audit.domain.review import Looks, Refusal, named, refusals, volumes
from memoryguard.audit.domain.volume import PERIODS
from memoryguard.audit.filing import moment
from memoryguard.audit.filters import Filter, Place
from memoryguard.audit.finding import HEADERS, WHOLE, page, place_of
from memoryguard.audit.opening import opened
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.events import AccessDenied, AccessRead
from memoryguard.common.runtime.database import Connection
from memoryguard.common.runtime.subject_keys import SubjectKeys
from memoryguard.tlog.exported import Exported

MOST = 20_000
"""Entries of one kind that a report looks at; it says where there are more."""

PAGE = 500
GLASS = timedelta(days=1)
"""Glass that was broken longer ago than this is whole again."""

DELIVERIES: Final = ("delivery.conflicted", "delivery.failed")
OPERATIONS: Final = (
    "hold.lifted", "hold.placed", "keys.retired", "keys.rotated", "log.exported", "log.pruned",
    "review.signed", "scan.erased", "settings.changed",
)  # fmt: skip

_LOOKS = """
select actor, width_bucket(occurred_at, $1::timestamptz[]) as period,
       count(*) as reads, count(distinct subject_id) as people
from log.entry
where type = $2 and occurred_at >= $3 and occurred_at < $4
  and subject_id <> $5 and actor is not null and actor <> subject_id
group by actor, period
"""

# Entries that no period has, since they say no time that can be read: the time of logging counts.
_UNDATED = """
select sequence, action, actor from log.entry
where occurred_at is null and logged_at >= $1 and logged_at < $2
order by sequence limit $3
"""


class Period:
    """A period of the log, as one connection sees it.

    Parameters
    ----------
    connection
        Inside a transaction, so that the parts of a report agree.
    people
        Everybody's keys, which open entries.
    since, until
        From `since` on, before `until`.
    """

    def __init__(
        self, connection: Connection, people: SubjectKeys, since: datetime, until: datetime
    ) -> None:
        self._connection = connection
        self._people = people
        self._since, self._until = since, until
        self._all = Filter(since=since, until=until)
        self.incomplete = set[str]()

    async def break_glass(self) -> dict[str, Any]:
        """Who broke glass, and what they looked at through it."""
        action = "access.overridden"
        broken = await self._every("break_glass", replace(self._all, action=action))
        earlier = replace(self._all, action=action, since=self._since - GLASS, until=self._since)
        before = await self._every("break_glass", earlier)
        entries = await opened(self._people, await self._through([*broken, *before]))
        reads = [each for each in entries if _through_glass(each)]
        return {
            "overrides": [
                {
                    "sequence": row["sequence"],
                    "at": row["occurred_at"].isoformat(),
                    "actor": row["actor"],
                    "subject_id": row["subject_id"],
                    "reason": row["purpose"],
                }
                for row in sorted(broken, key=lambda r: r["sequence"])
            ],
            "reads": {"count": len(reads), **named([each.sequence for each in reads])},
        }

    async def _through(self, broken: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """Looks that may have been through broken glass: some were by another right."""
        reads = replace(self._all, types=(AccessRead.type,))
        found = await self._every("break_glass", replace(reads, purpose="BTG"), WHOLE)
        for actor, subject_id in sorted({(r["actor"] or "", r["subject_id"]) for r in broken}):
            theirs = replace(reads, actors=(actor,), subjects=(subject_id,))
            found += await self._every("break_glass", theirs, WHOLE)
        return list({row["sequence"]: row for row in found}.values())

    async def denials(self) -> list[dict[str, Any]]:
        """Who was refused what, and how often."""
        wanted = replace(self._all, outcome="denied")
        entries = await opened(self._people, await self._every("denials", wanted, WHOLE))
        return refusals(
            [_refusal(each) for each in entries if each.entry.type == AccessDenied.type]
        )

    async def volumes(self) -> list[dict[str, Any]]:
        """How many people each account looked at, beside its own past and beside others."""
        length = self._until - self._since
        bounds = [self._since - n * length for n in range(PERIODS, 0, -1)] + [self._since]
        rows = await self._connection.fetch(
            _LOOKS, bounds, AccessRead.type, bounds[0], self._until, NOBODY
        )
        people = {(row["actor"], row["period"]): row["people"] for row in rows}
        now = PERIODS + 1
        findings = volumes(
            [
                Looks(
                    row["actor"],
                    row["people"],
                    row["reads"],
                    tuple(people.get((row["actor"], n), 0) for n in range(1, now)),
                )
                for row in rows
                if row["period"] == now
            ]
        )
        return [f | (await self._looks(f["actor"]) if f["unusual"] else {}) for f in findings]

    async def _looks(self, actor: str) -> dict[str, Any]:
        wanted = replace(self._all, actors=(actor,), types=(AccessRead.type,))
        rows = await self._every("unusual_volume", wanted)
        others = [r["sequence"] for r in rows if r["subject_id"] not in (NOBODY, r["actor"])]
        return named(others)

    async def deliveries(self) -> list[dict[str, Any]]:
        """Dead letters, events that contradict another, and what could not even be read."""
        undated = await self._connection.fetch(_UNDATED, self._since, self._until, MOST)
        return _grouped([*await self._of("deliveries", DELIVERIES), *undated])

    async def operations(self) -> list[dict[str, Any]]:
        """What was done with the log, the keys, the settings, and to people for good."""
        return _grouped(await self._of("operations", OPERATIONS))

    async def _of(self, part: str, actions: Sequence[str]) -> list[asyncpg.Record]:
        found = list[asyncpg.Record]()
        for action in actions:
            found += await self._every(part, replace(self._all, action=action))
        return found

    async def _every(
        self, part: str, wanted: Filter, columns: str = HEADERS
    ) -> list[asyncpg.Record]:
        """Every entry that is wanted, up to ``MOST``."""
        found, after = list[asyncpg.Record](), None
        while len(found) < MOST:
            rows = await page(self._connection, wanted, PAGE, after, columns)
            found += rows
            if len(rows) < PAGE:
                return found
            after: Place | None = place_of(rows[-1])
        self.incomplete.add(part)
        return found


def _grouped(rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """Count entries by action and actor."""
    groups = dict[tuple[str, str], list[int]]()
    for row in rows:
        groups.setdefault((row["action"], row["actor"] or ""), []).append(row["sequence"])
    return [
        {"action": action, "actor": actor or None, "count": len(found), **named(found)}
        for (action, actor), found in sorted(groups.items())
    ]


def _through_glass(read: Exported) -> bool:
    """Whether a look was by broken glass; where the event opens no more, its purpose says so."""
    data = (read.parsed() or {}).get("data")
    if isinstance(data, dict):
        return data.get("basis") == "override"
    return read.entry.purpose == "BTG"


def _refusal(refused: Exported) -> Refusal:
    data = (refused.parsed() or {}).get("data") or {}
    code, times = data.get("code"), data.get("times", 1)
    return Refusal(
        sequence=refused.sequence,
        at=moment(refused.entry.occurred_us or 0),
        actor=refused.entry.actor or "",
        code=code if isinstance(code, str) else "not known any more",
        action=refused.entry.action,
        times=times if type(times) is int and times > 0 else 1,
    )
