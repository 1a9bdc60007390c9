# SPDX-License-Identifier: Apache-2.0
"""What the few pages that are made here are drawn with; the application has files of its own."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from memoryguard.common.errors import Rejected
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.security.policy import Policy

STATIC = {"page.css": "text/css", "icon.svg": "image/svg+xml"}


class NoSuchFile(Rejected):
    """There is no such static file."""

    http_status = 404


def routes() -> list[Route]:
    """Style sheet and icon."""
    policy = Policy("static", public="tells nothing about anybody", audited=False)
    return [Route("GET", "/static/{name}", _static(), policy)]


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
