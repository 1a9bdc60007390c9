# SPDX-License-Identifier: Apache-2.0
"""Health metrics of a person, as somebody entered them."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from pydantic import ValidationError

from memoryguard.common.contracts.events import HealthRecorded
from memoryguard.common.errors import Rejected
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest import described
from memoryguard.ingest.bodies import HealthMetrics
from memoryguard.ingest.people.erasure import refuse_erased
from memoryguard.ingest.people.whose import account


def _wrong(error: ValidationError) -> list[str]:
    """Which fields are wrong; a name that is not ours is not repeated."""
    return sorted(
        {
            "an unknown field"
            if part["type"] == "extra_forbidden"
            else ".".join(map(str, part["loc"])) or "the body"
            for part in error.errors()
        }
    )


def routes(platform: Platform) -> list[Route]:
    """Record health metrics of an account."""

    async def put(request: web.Request) -> web.Response:
        """Record health metrics of an account."""
        user_id = account(request, request.match_info["user_id"], platform.vault)
        try:
            body = HealthMetrics.model_validate_json(await request.read())
        except ValidationError as error:
            raise Rejected("bad_health_metrics", f"wrong: {', '.join(_wrong(error))}") from None
        metrics = {k: float(v) for k, v in body.metrics.model_dump(exclude_none=True).items()}
        if not metrics:
            raise Rejected("bad_health_metrics", "no metric is given")
        subject_id = platform.vault.user_subject_id(user_id)
        await refuse_erased(platform.pool, subject_id)
        shift = timedelta(days=platform.vault.date_shift_days(subject_id))
        await platform.say(
            HealthRecorded(
                subject_id=subject_id,
                user_id=user_id,
                recorded_on=body.recorded_on + shift,
                metrics=metrics,
                provenance=body.provenance,
            )
        )
        return web.json_response({"user_id": user_id, "recorded": sorted(metrics)}, status=202)

    return [
        Route(
            "PUT",
            "/api/v1/users/{user_id}/health-metrics",
            put,
            Policy("health.record", roles=frozenset({"patient", "clinician"})),
            doc=described.HEALTH,
        )
    ]
