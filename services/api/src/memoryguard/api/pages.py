# SPDX-License-Identifier: Apache-2.0
"""What the few pages that are made here are drawn with; the application has files of its own."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from aiohttp import web

from memoryguard.api import described
from memoryguard.common.errors import Rejected
from memoryguard.common.http.conditional import answer, tag_of
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.security.policy import Policy

STATIC = {"page.css": "text/css", "icon.svg": "image/svg+xml"}


class NoSuchFile(Rejected):
    """There is no such static file."""

    http_status = 404


def routes() -> list[Route]:
    """Style sheet and icon."""
    policy = Policy("static", public="tells nothing about anybody", audited=False)
    return [Route("GET", "/static/{name}", _static(), policy, doc=described.ASSET)]


def _static() -> HttpHandler:
    folder = files("memoryguard.api") / "static"
    bodies = {name: (folder / name).read_bytes() for name in STATIC}
    tags = {name: tag_of(hashlib.sha256(body).hexdigest()) for name, body in bodies.items()}

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in bodies:
            raise NoSuchFile("no_such_asset", "there is no such file")
        response = answer(request, bodies[name], STATIC[name], tags[name])
        response.headers["Cache-Control"] = "max-age=300"
        return response

    return static
