# SPDX-License-Identifier: Apache-2.0
"""Ways in over HTTP: uploads, health metrics, and events of integrations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal

from aiohttp import BodyPartReader, MultipartReader, web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memoryguard.common.contracts.event import Event, decode, derived_id, new_event
from memoryguard.common.contracts.events import (
    HealthRecorded,
    Reason,
    ScanAvailable,
    ScanRejected,
)
from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.outbox import source_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest.erasure import refuse_erased
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.store import take_in

READ_BYTES = 1 << 20
MAX_FIELD_BYTES = 1000


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


class Intake:
    """The routes of ingest."""

    def __init__(self, platform: Platform, settings: IngestSettings) -> None:
        self._platform = platform
        self._settings = settings

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        return (
            Route(
                "POST",
                "/api/v1/imaging/upload",
                self.upload,
                Policy("scan.upload", roles=frozenset({"patient", "clinician"}), audited=False),
            ),
            Route(
                "PUT",
                "/api/v1/users/{user_id}/health-metrics",
                self.put_health,
                Policy("health.record", roles=frozenset({"patient", "clinician"}), audited=False),
            ),
            Route(
                "POST",
                "/api/v1/events",
                self.publish,
                Policy("event.publish", roles=frozenset({"integration"}), audited=False),
            ),
        )

    async def upload(self, request: web.Request) -> web.Response:
        """Take a multipart upload of DICOM files or a zip; answer with the scan's id."""
        files, fields = await self._read_parts(request)
        user_id = self._whose(request, fields.get("user_id"))
        try:
            scan = await take_in(self._platform, files, user_id)
        except Rejected as error:
            reason = Reason(code=error.code, message=error.message)
            subject_id = self._platform.vault.user_subject_id(user_id)
            await self._platform.say(
                ScanRejected(subject_id=subject_id, user_id=user_id, reason=reason)
            )
            raise
        new = await self._platform.say(scan)
        document = {
            "imaging_id": scan.scan_id,
            "user_id": user_id,
            "modality": scan.modality,
            "status": "uploaded",
            "instances": scan.instances,
            "created_at": scan.received_at.isoformat(),
            "status_url": f"/api/v1/imaging/{scan.scan_id}/status",
        }
        return web.json_response(document, status=201 if new else 200)

    async def put_health(self, request: web.Request) -> web.Response:
        """Record health metrics of an account."""
        user_id = self._whose(request, request.match_info["user_id"])
        try:
            body = HealthMetrics.model_validate_json(await request.read())
        except ValidationError as error:
            fields = sorted({".".join(map(str, part["loc"])) for part in error.errors()})
            raise Rejected(
                "bad_health_metrics", f"wrong or unknown: {', '.join(fields)[:300]}"
            ) from None
        metrics = {k: float(v) for k, v in body.metrics.model_dump(exclude_none=True).items()}
        if not metrics:
            raise Rejected("bad_health_metrics", "no metric is given")
        subject_id = self._platform.vault.user_subject_id(user_id)
        await refuse_erased(self._platform.pool, subject_id)
        shift = timedelta(days=self._platform.vault.date_shift_days(subject_id))
        await self._platform.say(
            HealthRecorded(
                subject_id=subject_id,
                user_id=user_id,
                recorded_on=body.recorded_on + shift,
                metrics=metrics,
                provenance=body.provenance,
            )
        )
        return web.json_response({"user_id": user_id, "recorded": sorted(metrics)}, status=202)

    async def publish(self, request: web.Request) -> web.Response:
        """Take a ``scan.available`` CloudEvent from an integration that has no Kafka."""
        theirs = decode(await request.read(), {ScanAvailable.type: ScanAvailable})
        if theirs.source.startswith(source_of("")):
            raise Rejected("forged_source", "the source is one of the platform's own")
        event_id = derived_id(theirs.source, theirs.id)
        ours = new_event(theirs.data, source=source_of("ingest"), event_id=event_id, cause=theirs)
        await self._say_event(ours)
        return web.json_response({"id": event_id}, status=202)

    def _whose(self, request: web.Request, named: str | None) -> str:
        """Account that the data belongs to; Denied when the caller may not act for it."""
        principal = principal_of(request)
        if named is None and "patient" not in principal.roles:
            raise Rejected("no_user", "whose scan is it?", "give the form field user_id")
        user_id = named or principal.user_id
        concerns(request, user_id=user_id)
        if not principal.may_see(user_id):
            raise Denied("not_allowed", "you may not act for this account")
        return user_id

    async def _read_parts(
        self, request: web.Request
    ) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
        if not request.content_type.startswith("multipart/"):
            raise Rejected(
                "not_multipart", "the upload is not multipart/form-data", "curl -F file=@scan.zip"
            )
        files: list[tuple[str, bytes]] = []
        fields: dict[str, str] = {}
        left = self._settings.max_upload_bytes
        try:
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if isinstance(part, MultipartReader):
                    raise Rejected("nested_multipart", "parts inside parts are not taken")
                if part.filename is None:
                    fields[part.name or ""] = (await _read(part, MAX_FIELD_BYTES)).decode()
                    continue
                if len(files) >= self._settings.max_upload_files:
                    raise Rejected("too_many_files", "the upload has too many files")
                body = await _read(part, left)
                left -= len(body)
                files.append((part.filename, body))
        except (ValueError, AssertionError, EOFError) as error:
            raise Rejected("broken_upload", "the multipart body cannot be read") from error
        return files, fields

    async def _say_event(self, event: Event) -> None:
        async with self._platform.pool.acquire() as connection, connection.transaction():
            await self._platform.outbox.write(connection, [event])
        self._platform.outbox.wake()


async def _read(part: BodyPartReader, limit: int) -> bytes:
    """Read one part, never more than ``limit`` bytes."""
    body = bytearray()
    while chunk := await part.read_chunk(READ_BYTES):
        body += chunk
        if len(body) > limit:
            raise Rejected("too_large", "the upload is too large")
    return bytes(body)
