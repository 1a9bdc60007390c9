# SPDX-License-Identifier: Apache-2.0
"""Scans of patients whom nobody has linked to an account yet: a clinician says whose they are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import asyncpg
from aiohttp import web
from prometheus_client import Gauge
from pydantic import ValidationError

from memoryguard.common.contracts.events import PatientLinked
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.conditional import answer_json
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.waiting import pause
from memoryguard.common.security.policy import Policy, Role
from memoryguard.ingest import described
from memoryguard.ingest.answers import Answer
from memoryguard.ingest.bodies import Resolution
from memoryguard.ingest.people.identity import IdentityVault
from memoryguard.ingest.people.links import Link, make_link
from memoryguard.ingest.settling import Settling

PAGE = 200
GAUGE_S = 5.0
SERIES = Gauge("memoryguard_worklist_series", "Series of patients whom nobody knows.")
OLDEST = Gauge("memoryguard_worklist_oldest_seconds", "Age of the oldest; 0: there is none.")
SHOWN = ("patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date", "study_date")
"""What a clinician needs to know whose a scan is."""


class NotWaiting(Rejected):
    """Nothing waits under this name."""

    http_status = 404


class Worklist:
    """The routes of the worklist."""

    def __init__(self, platform: Platform, identities: IdentityVault, settling: Settling) -> None:
        self._platform = platform
        self._identities = identities
        self._settling = settling

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        clinician: frozenset[Role] = frozenset({"clinician"})
        path, listing = "/api/v1/worklist", Policy("worklist.list", roles=clinician)
        link = Policy("worklist.link", roles=clinician)
        discard = Policy("worklist.discard", roles=clinician)
        return (
            Route("GET", path, self.listed, listing, doc=described.LISTED),
            Route("POST", path + "/{patient}", self.link, link, doc=described.LINK),
            Route("DELETE", path + "/{patient}", self.discard, discard, doc=described.DISCARD),
        )

    async def run(self) -> None:
        """Tell how many wait and how long already, for ever."""
        while True:
            with contextlib.suppress(*AWAY):
                row = await self._platform.pool.fetchrow(_AGE)
                assert row is not None  # noqa: S101  # an aggregate is one row
                SERIES.set(row["series"])
                OLDEST.set(row["seconds"])
            await pause(GAUGE_S)

    async def listed(self, request: web.Request) -> web.Response:
        """List patients who wait, those who wait longest first."""
        rows = await self._platform.pool.fetch(_WAITING, PAGE)
        return answer_json(request, {"items": [await self._item(row) for row in rows]})

    async def link(self, request: web.Request) -> web.Response:
        """Say whose a patient's number is; what waits becomes that account's scans."""
        patient = await self._waiting(request)
        try:
            body = Resolution.model_validate_json(await request.read())
        except ValidationError:
            raise Rejected(
                "bad_resolution", "user_id is not an account", 'send {"user_id": "<account>"}'
            ) from None
        subject_id = self._platform.vault.user_subject_id(body.user_id)
        concerns(request, user_id=body.user_id, subject_id=subject_id)
        actor_id = principal_of(request).user_id
        link = Link(body.user_id, subject_id, confirmed=True)
        said = PatientLinked(
            subject_id=subject_id, user_id=body.user_id, patient=patient, actor_id=actor_id
        )
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await make_link(connection, patient, link, actor_id)
            await self._platform.outbox.append(connection, [said])
        self._platform.outbox.wake()
        outcomes = await self._settling.resume(patient)
        return web.json_response(Answer(body.user_id, (), (), outcomes).document())

    async def discard(self, request: web.Request) -> web.Response:
        """Forget what waits under a number, as when it came here by mistake."""
        patient = await self._waiting(request)
        rows = await self._platform.pool.fetch(_SERIES, patient)
        await self._settling.discard({row["series_key"]: row["images"] for row in rows})
        return web.json_response({"discarded": len(rows)})

    async def _waiting(self, request: web.Request) -> str:
        """Give the patient whom the path names.

        Raises
        ------
        NotWaiting
            ``not_waiting``.
        """
        patient = request.match_info["patient"]
        if patient.isprintable() and await self._platform.pool.fetch(_SERIES, patient):
            return patient
        raise NotWaiting("not_waiting", "nobody waits under this name", "list the worklist")

    async def _item(self, row: asyncpg.Record) -> dict[str, object]:
        identity = await self._identities.get(row["patient"], row["example"]) or {}
        return {
            "patient": row["patient"],
            "series": row["series"],
            "images": row["images"],
            "arrived_at": row["arrived_at"].isoformat(),
            # An account whose own upload bears this number; nobody has confirmed it.
            "claimed_by": row["claimed_by"],
            "identity": {name: identity.get(name, "") for name in SHOWN},
        }


_SERIES = """
select series_key, count(*) as images from series join image using (series_key)
where state = 'unassigned' and subject_id = $1 group by series_key
"""
_AGE = """
select count(*) as series,
       coalesce(extract(epoch from now() - min(arrived_at)), 0)::float8 as seconds
from series where state = 'unassigned'
"""
_WAITING = """
select s.subject_id as patient, count(distinct s.series_key) as series, count(*) as images,
       min(s.arrived_at) as arrived_at, max(alias.user_id) as claimed_by,
       min(s.series_key) as example
from series s join image using (series_key) left join alias on alias.alias = s.subject_id
where s.state = 'unassigned'
group by s.subject_id order by min(s.arrived_at) limit $1
"""
