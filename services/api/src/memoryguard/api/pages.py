# SPDX-License-Identifier: Apache-2.0
"""Plain pages for people in a browser: their scans, and one scan.

The rules are those of every route, but a refusal is answered with a page.
"""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from memoryguard.api import scans, words
from memoryguard.api.access import Access
from memoryguard.api.analysis import analysis_document, status_document, summary_document
from memoryguard.api.markup import Html, el
from memoryguard.api.page import page, refused_page
from memoryguard.api.result import progress_page, result_page
from memoryguard.api.scans import Scan
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

SHOWN_SCANS = 50
STATIC = {"page.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}


class NoSuchFile(Rejected):
    """There is no such static file."""

    http_status = 404


def routes(platform: Platform, access: Access) -> list[Route]:
    """Pages, and what they are drawn with."""

    async def home(request: web.Request) -> web.Response:
        return await _home(access, request)

    async def scan_page(request: web.Request) -> web.Response:
        scan = await access.scan(request, "results")
        if not scan.standing.final:
            return progress_page(status_document(scan))
        health = await scans.latest_health(platform.pool, scan.user_id)
        return result_page(analysis_document(scan, health))

    return [
        Route("GET", "/", home, Policy("page.home", PEOPLE), refused_page),
        Route("GET", "/imaging/{imaging_id}", scan_page, Policy("page.scan", PEOPLE), refused_page),
        Route(
            "GET",
            "/static/{name}",
            _static(),
            Policy("static", public="tells nothing about anybody", audited=False),
        ),
    ]


async def _home(access: Access, request: web.Request) -> web.Response:
    found = await access.shown_to(principal_of(request), SHOWN_SCANS)
    await access.record_shown(request, "page.home", ((s.subject_id, s.user_id) for s in found))
    if not found:
        return page(
            "Your scans",
            el("p", "There is no scan for you to see yet. Upload one: "),
            el("p", el("code", "memoryguard upload FOLDER")),
        )
    heads = (
        "Scan",
        "Account",
        "Uploaded",
        "Status",
        "Hippocampi, both",
        "Whole brain",
        "Usual range for age",
    )
    head = el("tr", *(el("th", text, scope="col") for text in heads))
    caption = f"The newest {SHOWN_SCANS} scans that this account may see, the newest first."
    table = el(
        "table",
        el("caption", caption),
        el("thead", head),
        el("tbody", *(_home_row(scan) for scan in found)),
    )
    return page("Your scans", el("div", table, class_="scroll"))


def _home_row(scan: Scan) -> Html:
    summary = summary_document(scan)
    hippocampi, brain = summary["hippocampal_volume_total"], summary["total_brain_volume"]
    return el(
        "tr",
        el("th", el("a", scan.scan_id, href=f"/imaging/{scan.scan_id}"), scope="row"),
        el("td", scan.user_id or "not linked"),
        el("td", scan.created_at.strftime("%Y-%m-%d %H:%M UTC")),
        el("td", words.STATUSES[summary["status"]]),
        el("td", words.volume(hippocampi) if hippocampi is not None else "—"),
        el("td", words.volume(brain) if brain is not None else "—"),
        el("td", words.distance(summary["atrophy_severity"])),
    )


def _static() -> HttpHandler:
    folder = files("memoryguard.api") / "static"
    bodies = {name: (folder / name).read_bytes() for name in STATIC}

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in bodies:
            raise NoSuchFile("no_such_asset", "there is no such file")
        return web.Response(
            body=bodies[name],
            content_type=STATIC[name],
            charset="utf-8",
            headers={"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"},
        )

    return static
