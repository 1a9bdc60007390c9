# SPDX-License-Identifier: Apache-2.0
"""The report of a scan as a PDF, made when it is asked for.

A process of its own makes reports: they wait for no measurement, and a crash there ends no
request but theirs. Few are in the making at once, and the others hold no files meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import AsyncExitStack
from typing import get_args

from aiohttp import web

from memoryguard.api import described, scans
from memoryguard.api.access import Access
from memoryguard.api.analysis import Document, analysis_document, artifact_of
from memoryguard.api.imaging import require_final
from memoryguard.api.proofs import proof_of
from memoryguard.api.report.document import PICTURES, Audience, make, version
from memoryguard.api.scans import Scan
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of
from memoryguard.common.http.conditional import answer, tag_of, unchanged
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.processes import Processes
from memoryguard.common.security.policy import PEOPLE, Policy

PATH = "/api/v1/imaging/{imaging_id}/report.pdf"
PDF = "application/pdf"
AT_ONCE = 2
"""One is made while the next one's files are fetched."""


class Reports:
    """Makes reports; what a caller may see of a scan is for `Access` to say."""

    def __init__(self, platform: Platform, access: Access, stack: AsyncExitStack) -> None:
        self._platform = platform
        self._access = access
        self._processes = Processes(1)
        self._turn = asyncio.Semaphore(AT_ONCE)
        stack.callback(self._processes.close)

    def routes(self) -> list[Route]:
        """Give the one route."""
        policy = Policy("imaging.report", PEOPLE)
        return [Route("GET", PATH, self._report, policy, doc=described.REPORT)]

    async def _report(self, request: web.Request) -> web.Response:
        scan = await self._access.scan(request, "results")
        audience = _audience(request)
        require_final(scan)
        health = await scans.latest_health(self._platform.pool, scan.user_id)
        document = analysis_document(scan, health)
        document["proof"] = await proof_of(self._platform.store, self._platform.objects.keys, scan)
        tag = tag_of(_digest(audience, document))
        if unchanged(request, tag):
            return answer(request, b"", PDF, tag)
        response = answer(request, await self._made(audience, document, scan), PDF, tag)
        name = f"report-{audience}-{scan.scan_id}.pdf"
        response.headers["Content-Disposition"] = f'inline; filename="{name}"'
        return response

    async def _made(self, audience: Audience, document: Document, scan: Scan) -> bytes:
        async with self._turn:
            found = {name: artifact_of(scan, name) for name in PICTURES}
            files = {
                name: await self._platform.objects.get(reference, scan.subject_id)
                for name, reference in found.items()
                if reference is not None
            }
            return await self._processes.run(make, audience, document, files)


def _audience(request: web.Request) -> Audience:
    """Whom the report is for: as asked for, or clinicians for a clinician."""
    asked = request.query.get("for")
    if asked is None:
        return "clinician" if "clinician" in principal_of(request).roles else "plain"
    for known in get_args(Audience):
        if asked == known:
            return known
    raise Rejected("bad_audience", "for is clinician or plain")


def _digest(audience: Audience, document: Document) -> str:
    """Digest all that a report is made of; the files are in the document by their digests."""
    made_of = json.dumps([version(), audience, document])
    return hashlib.sha256(made_of.encode()).hexdigest()
