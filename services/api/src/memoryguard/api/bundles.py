# SPDX-License-Identifier: Apache-2.0
"""A result for systems that speak FHIR: one Bundle, made when it is asked for (docs/FHIR.md)."""

from __future__ import annotations

import asyncio
import hashlib
import json

from aiohttp import web

from memoryguard.api import described, documents
from memoryguard.api.access import Access
from memoryguard.api.fhir.bundle import bundle
from memoryguard.api.imaging import require_final
from memoryguard.api.proofs import proof_of
from memoryguard.common.http.conditional import answer, tag_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

PATH = "/api/v1/imaging/{imaging_id}/fhir"
MEDIA_TYPE = "application/fhir+json"


def routes(platform: Platform, access: Access) -> list[Route]:
    """The one route."""

    async def result(request: web.Request) -> web.Response:
        scan = await access.scan(request, "results")
        require_final(scan)
        dicom = await documents.of_scan(platform.pool, scan.scan_id)
        asked = request.query.get("proof") == "1"
        proof = await proof_of(platform.store, platform.objects.keys, scan) if asked else None
        made = await asyncio.to_thread(bundle, scan, dicom, proof)
        body = json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
        return answer(request, body, MEDIA_TYPE, tag_of(hashlib.sha256(body).hexdigest()))

    return [Route("GET", PATH, result, Policy("imaging.fhir", PEOPLE), doc=described.FHIR)]
