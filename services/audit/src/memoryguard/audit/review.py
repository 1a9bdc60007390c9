# SPDX-License-Identifier: Apache-2.0
"""The activity review (45 CFR 164.308(a)(1)(ii)(D)): a report of a period, and its sign-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from memoryguard.audit import described
from memoryguard.audit.bodies import SignOff
from memoryguard.audit.domain.review import METHOD, digest
from memoryguard.audit.filters import parameters
from memoryguard.audit.finding import bounded
from memoryguard.audit.gathering import Period
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import ReviewSigned
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of
from memoryguard.common.http.body import read_model
from memoryguard.common.http.conditional import answer_json
from memoryguard.common.http.moment import read_moment
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy, Role

TIMEOUT_S = 60
USUAL = timedelta(days=7)
LONGEST = timedelta(days=92)


class ReviewOutdated(Rejected):
    """The report is not the one that was looked at."""

    http_status = 409


class Reviews:
    """The routes of the activity review."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._people = platform.objects.keys

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        path, officers = "/api/v1/audit/review", frozenset[Role]({"compliance"})
        signing = Policy("audit.review-sign", officers)
        return (
            Route("GET", path, self.show, Policy("audit.review", officers), doc=described.REVIEW),
            Route("POST", path, self.sign, signing, doc=described.SIGN, keyed=True),
        )

    async def show(self, request: web.Request) -> web.Response:
        """Report on a period; the last seven whole days (UTC) where none is named."""
        given = parameters(request.query, {"from", "to"})
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        until = read_moment(given["to"], "to") if "to" in given else midnight
        since = read_moment(given["from"], "from") if "from" in given else until - USUAL
        size, report = await self._report(since, until, now)
        document = {"report": report, "report_sha256": digest(report), "log_size": size}
        return answer_json(request, document)

    async def sign(self, request: web.Request) -> web.Response:
        """Sign a report off, if it is still the same."""
        body = await read_model(request, SignOff)
        size, report = await self._report(body.since, body.until, datetime.now(UTC))
        if digest(report) != body.report_sha256:
            raise ReviewOutdated(
                "review_outdated",
                "the log now says something else about this period",
                "read the report again, and sign that one",
            )
        signed = ReviewSigned(
            subject_id=NOBODY,
            actor_id=principal_of(request).user_id,
            since=body.since,
            until=body.until,
            report_sha256=body.report_sha256,
            log_size=size,
            findings=report["findings"],
            note_code=body.conclusion,
        )
        (event,) = await self._platform.say(signed)
        return web.json_response({"signed": event.id, "conclusion": body.conclusion}, status=201)

    async def _report(
        self, since: datetime, until: datetime, now: datetime
    ) -> tuple[int, Mapping[str, Any]]:
        """Size of the log, and the report of a period; what the log says later changes neither."""
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        if not timedelta(0) < until - since <= LONGEST or until > now:
            hint = f"at most {LONGEST.days} days, and over already"
            raise Rejected("bad_filter", "this is not a period to review", hint)
        async with bounded(self._platform.pool, TIMEOUT_S, one_snapshot=True) as connection:
            size = await connection.fetchval("select size from log.head") or 0
            period = Period(connection, self._people, since, until)
            parts = {
                "break_glass": await period.break_glass(),
                "denials": await period.denials(),
                "volumes": await period.volumes(),
                "deliveries": await period.deliveries(),
                "operations": await period.operations(),
            }
        return size, {
            "from": since.isoformat(),
            "to": until.isoformat(),
            "findings": _counts(parts),
            **parts,
            "incomplete": sorted(period.incomplete),
            "method": METHOD,
        }


def _counts(parts: Mapping[str, Any]) -> dict[str, int]:
    """How many findings of each kind there are."""
    glass, denials, volumes = parts["break_glass"], parts["denials"], parts["volumes"]
    return {
        "break_glass": len(glass["overrides"]),
        "break_glass_reads": glass["reads"]["count"],
        "denials": sum(each["count"] for each in denials),
        "denial_bursts": sum(each["burst"] is not None for each in denials),
        "unusual_volumes": sum(each["unusual"] for each in volumes),
        "volumes_not_judged": sum(
            each["beside_own_earlier"]["unusual"] is None
            and each["beside_peers"]["unusual"] is None
            for each in volumes
        ),
        "deliveries": sum(each["count"] for each in parts["deliveries"]),
        "operations": sum(each["count"] for each in parts["operations"]),
    }
