# SPDX-License-Identifier: Apache-2.0
"""Uploads over REST: many files, folders and zips, streamed, answered file by file."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web
from pydantic import ValidationError

from memoryguard.common.contracts.events import Reason, ScanRejected
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy
from memoryguard.ingest import described
from memoryguard.ingest.answers import Answer, Refused
from memoryguard.ingest.bodies import Digests
from memoryguard.ingest.delivery import Intake
from memoryguard.ingest.people.whose import account
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.staging import Sender, Staging
from memoryguard.ingest.ways.given import GivenAnswers
from memoryguard.ingest.ways.parts import Parts


class Uploads:
    """The routes of uploading."""

    def __init__(
        self, platform: Platform, staging: Staging, intake: Intake, settings: IngestSettings
    ) -> None:
        self._platform = platform
        self._staging = staging
        self._intake = intake
        self._settings = settings
        self._given = GivenAnswers(platform.pool, platform.vault)

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        policy = Policy("scan.upload", roles=frozenset({"patient", "clinician"}))
        path = "/api/v1/imaging/upload"
        return (
            Route("POST", path, self.upload, policy, doc=described.UPLOAD),
            Route("POST", path + "/missing", self.missing, policy, doc=described.MISSING),
        )

    async def upload(self, request: web.Request) -> web.Response:
        """Take a multipart upload of DICOM files and zips.

        Fields before the files: ``user_id``, whose scan it is; ``complete=false``, when more files
        of the same series follow in another upload. With the header ``Idempotency-Key`` a repeat
        gets the first answer.

        A file that is here already needs not be sent again: a part ``sha256`` with the file's name
        holds the digest instead. What is sent and what is named is judged together, so an upload
        that was cut off is resumed with what is missing and the names of the rest.
        """
        actor_id, key = principal_of(request).user_id, request.headers.get("Idempotency-Key")
        if key is not None and (given := await self._given.find(actor_id, key)) is not None:
            return web.json_response(text=given)  # a repeat makes nothing new
        answer = await self._answered(request)
        text = json.dumps(answer.document())
        if key is not None:
            subject_id = self._platform.vault.user_subject_id(answer.user_id or "")
            await self._given.keep(actor_id, key, text, subject_id)
        return web.json_response(text=text, status=201 if answer.new else 200)

    async def missing(self, request: web.Request) -> web.Response:
        """Tell which of the named files are not here yet, so that an upload can be resumed.

        A zip is never here, nor is a file that was refused or left out.
        """
        try:
            body = Digests.model_validate_json(await request.read())
        except ValidationError:
            raise Rejected(
                "bad_digests", "sha256 is not a list of digests", 'send {"sha256": ["<hex>", …]}'
            ) from None
        sender = self._sender(request, body.user_id)
        missing = await self._staging.missing(sender, body.sha256)
        return web.json_response({"missing": missing})

    async def _answered(self, request: web.Request) -> Answer:
        if not request.content_type.startswith("multipart/"):
            raise Rejected(
                "not_multipart", "the upload is not multipart/form-data", "curl -F file=@scan.zip"
            )
        kind = request.headers["Content-Type"]
        parts = Parts(request.content, kind, self._settings.max_upload_bytes)
        fields = await parts.fields()
        sender = self._sender(request, fields.get("user_id"))
        try:
            async with self._intake.delivery(sender) as delivery:
                async for name, file in parts.files():
                    await delivery.add(name, file)
                complete = fields.get("complete", "true") != "false"
                return await delivery.finish(complete=complete)
        except Rejected as error:
            await self._say_refused(sender, error)
            raise

    def _sender(self, request: web.Request, named: str | None) -> Sender:
        principal = principal_of(request)
        return Sender(
            actor_id=principal.user_id,
            user_id=account(request, named, self._platform.vault),
            confirms="clinician" in principal.roles,
        )

    async def _say_refused(self, sender: Sender, error: Rejected) -> None:
        if isinstance(error, Refused) and error.said:
            return
        fact = ScanRejected(
            subject_id=self._platform.vault.user_subject_id(sender.user_id or ""),
            user_id=sender.user_id,
            reason=Reason(code=error.code, message=error.message),
        )
        await self._platform.say(fact)
