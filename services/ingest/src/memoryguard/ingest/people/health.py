# SPDX-License-Identifier: Apache-2.0
"""Health metrics of a person, as somebody entered them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memoryguard.common.contracts.events import HealthRecorded
from memoryguard.common.errors import Rejected
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest.people.erasure import refuse_erased
from memoryguard.ingest.people.whose import account


class Metrics(BaseModel):
    """Health metrics in their units; what is not known is left out."""

    model_config = ConfigDict(extra="forbid")

    mmse: Annotated[float, Field(ge=0, le=30)] | None = None
    moca: Annotated[float, Field(ge=0, le=30)] | None = None
    education_years: Annotated[float, Field(ge=0, le=40)] | None = None
    apoe4_alleles: Annotated[int, Field(ge=0, le=2)] | None = None
    systolic_mmhg: Annotated[float, Field(ge=40, le=350)] | None = None
    diastolic_mmhg: Annotated[float, Field(ge=20, le=250)] | None = None


class HealthMetrics(BaseModel):
    """Body of ``PUT /api/v1/users/{id}/health-metrics``."""

    model_config = ConfigDict(extra="forbid")

    recorded_on: date
    provenance: Literal["clinical", "self_reported", "synthetic"]
    metrics: Metrics


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
        )
    ]
