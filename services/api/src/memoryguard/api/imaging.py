# SPDX-License-Identifier: Apache-2.0
"""Status, analysis, list and picture of scans."""

from __future__ import annotations

from aiohttp import web

from memoryguard.api import described, scans
from memoryguard.api.access import Access, hidden, is_id
from memoryguard.api.analysis import (
    analysis_document,
    status_document,
    summary_document,
)
from memoryguard.api.proofs import proof_of
from memoryguard.api.scans import Cursor, Scan
from memoryguard.api.wanted import read_wanted
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.conditional import answer_json, answer_page
from memoryguard.common.http.operation import Operation
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

PATH = "/api/v1/imaging"
PAGE_SCANS = 20
MAX_PAGE_SCANS = 100


class NotReady(Rejected):
    """The scan is still being worked on."""

    http_status = 409


def require_final(scan: Scan) -> None:
    """See that nothing more is expected to be said about a scan.

    Raises
    ------
    NotReady
        ``not_ready``.
    """
    if not scan.standing.final:
        raise NotReady("not_ready", "the scan is still being worked on", "ask /status or wait")


def routes(platform: Platform, access: Access) -> list[Route]:
    """Everything that reads a scan."""

    async def status(request: web.Request) -> web.Response:
        scan = await access.scan(request, "status")
        return answer_json(request, status_document(scan))

    async def analysis(request: web.Request) -> web.Response:
        scan = await access.scan(request, "results")
        require_final(scan)
        health = await scans.latest_health(platform.pool, scan.user_id)
        document = analysis_document(scan, health)
        if request.query.get("proof") == "1":
            proof = await proof_of(platform.store, platform.objects.keys, scan)
            document |= {"proof": proof}
        return answer_json(request, document)

    async def listed(request: web.Request) -> web.Response:
        return await _list(platform, access, request)

    async def everything(request: web.Request) -> web.Response:
        return await _everything(access, request)

    def reading(path: str, handler: HttpHandler, action: str, doc: Operation) -> Route:
        return Route("GET", PATH + path, handler, Policy(action, PEOPLE), doc=doc)

    return [
        reading("", everything, "imaging.search", described.SEARCH),
        reading("/user/{user_id}", listed, "imaging.list", described.LIST),
        reading("/{imaging_id}/status", status, "imaging.status", described.STATUS),
        reading("/{imaging_id}/analysis", analysis, "imaging.analysis", described.ANALYSIS),
    ]


async def _list(platform: Platform, access: Access, request: web.Request) -> web.Response:
    user_id = request.match_info["user_id"]
    if not is_id(user_id):
        raise hidden()
    principal = principal_of(request)
    basis = await access.basis(principal, user_id, "status")
    subject_id = platform.vault.user_subject_id(user_id)
    concerns(request, subject_id=subject_id, user_id=user_id, basis=basis)
    if basis is None:
        raise hidden()
    measured = await access.basis(principal, user_id, "results")
    found, following = await scans.page_of_user(
        platform.pool, user_id, _limit(request), _cursor(request)
    )
    items = [summary_document(s) if measured else status_document(s) for s in found]
    return answer_page(request, {"items": items}, following.to_text() if following else None)


async def _everything(access: Access, request: web.Request) -> web.Response:
    """List what the caller may see the results of: of one account or of all, filtered."""
    user_id = request.query.get("user_id")
    if user_id is not None and not is_id(user_id):
        raise Rejected("bad_account", "user_id is not an account's name")
    page = (_limit(request), _cursor(request), read_wanted(request.query))
    found, following = await access.shown_to(principal_of(request), user_id, *page)
    people = ((scan.subject_id, scan.user_id) for scan in found)
    await access.record_shown(request, "imaging.search", people)
    items = [summary_document(scan) for scan in found]
    return answer_page(request, {"items": items}, following.to_text() if following else None)


def _cursor(request: web.Request) -> Cursor | None:
    text = request.query.get("cursor")
    return Cursor.from_text(text) if text else None


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(PAGE_SCANS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE_SCANS):
        raise Rejected("bad_limit", f"limit is a number from 1 to {MAX_PAGE_SCANS}")
    return int(text)
