# SPDX-License-Identifier: Apache-2.0
"""A result for systems that speak FHIR, made when it is asked for (docs/FHIR.md).

Each scan is a FHIR base of its own: who may see it is known before anything is looked for.
"""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from memoryguard.api import described, documents
from memoryguard.api.access import Access
from memoryguard.api.fhir.bundle import alone, bundle
from memoryguard.api.fhir.capability import capability
from memoryguard.api.fhir.elements import Json
from memoryguard.api.imaging import require_final
from memoryguard.api.proofs import proof_of
from memoryguard.common.errors import Rejected
from memoryguard.common.http.conditional import answer_bytes
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

PATH = "/api/v1/imaging/{imaging_id}/fhir"
MEDIA_TYPE = "application/fhir+json"


class NoSuchResource(Rejected):
    """The result has no such resource."""

    http_status = 404


def routes(platform: Platform, access: Access) -> list[Route]:
    """The Bundle, one resource of it, and what can be asked for."""

    async def made(request: web.Request) -> Json:
        scan = await access.scan(request, "results")
        require_final(scan)
        dicom = await documents.of_scan(platform.pool, scan.scan_id)
        asked = request.query.get("proof") == "1"
        proof = await proof_of(platform.store, platform.objects.keys, scan) if asked else None
        return await asyncio.to_thread(bundle, scan, dicom, proof)

    async def result(request: web.Request) -> web.Response:
        return _answer(request, await made(request))

    async def resource(request: web.Request) -> web.Response:
        named = request.match_info["resource_type"], request.match_info["resource_id"]
        found = alone(await made(request), *named)
        if found is None:
            raise NoSuchResource("no_such_resource", "the result has no such resource")
        return _answer(request, found)

    async def metadata(request: web.Request) -> web.Response:
        return _answer(request, capability())

    policy = Policy("imaging.fhir", PEOPLE)
    public = Policy("api.reference", public="tells nothing about anybody", audited=False)
    one = PATH + "/{resource_type}/{resource_id}"
    return [
        Route("GET", PATH, result, policy, doc=described.FHIR),
        Route("GET", f"{PATH}/metadata", metadata, public, doc=described.CAPABILITY),
        Route("GET", one, resource, policy, doc=described.FHIR_RESOURCE),
    ]


def _answer(request: web.Request, document: Json) -> web.Response:
    body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return answer_bytes(request, body, MEDIA_TYPE)
