# SPDX-License-Identifier: Apache-2.0
"""The web application, as ``web/`` builds it into this package.

The application itself tells nothing about anybody: whoever opens it gets the same files, and what
it shows it asks the API for. Where it was not built, every page says so.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import ETag, web

from memoryguard.api import described
from memoryguard.api.page import HEADERS, error_page
from memoryguard.api.pages import NoSuchFile
from memoryguard.common.http.conditional import tag_of, unchanged
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Policy

PAGES = (
    "/",
    "/upload",
    "/imaging",
    "/imaging/{imaging_id}",
    "/imaging/{imaging_id}/compare/{other}",
    "/sharing",
    "/log",
)
TYPES: Mapping[str, str] = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose names carry a digest of what is in them."""


def routes() -> list[Route]:
    """The pages, which are all the same file, and what they load."""
    folder = files("memoryguard.api") / "app"
    index = folder / "index.html"
    shell = index.read_bytes() if index.is_file() else None
    assets = _assets(folder / "assets")

    async def page(request: web.Request) -> web.Response:
        if shell is None:
            return error_page(
                404,
                "The web application is not part of this build",
                "Build it with Node 20 or later: npm ci && npm run build, in the folder web.",
            )
        return web.Response(body=shell, content_type="text/html", charset="utf-8", headers=HEADERS)

    async def asset(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in assets:
            raise NoSuchFile("no_such_asset", "there is no such file")
        return assets[name].answer(request)

    public = "tells nothing about anybody"
    app = Policy("app", public=public, audited=False)
    asset_policy = Policy("app.asset", public=public, audited=False)
    return [
        *(Route("GET", path, page, app, doc=described.APP) for path in PAGES),
        Route("GET", "/assets/{name}", asset, asset_policy, doc=described.ASSET),
    ]


@dataclass(frozen=True)
class Asset:
    """A file of the application."""

    name: str
    body: bytes

    @cached_property
    def gzipped(self) -> bytes:
        """The file, compressed once."""
        return gzip.compress(self.body, mtime=0)

    @cached_property
    def tag(self) -> ETag:
        """What tells it from another file of its name."""
        return tag_of(hashlib.sha256(self.body).hexdigest())

    @property
    def content_type(self) -> str:
        """What it is."""
        return TYPES.get(self.name[self.name.rfind(".") :], "application/octet-stream")

    def answer(self, request: web.Request) -> web.Response:
        """Serve it, in few bytes to whoever takes gzip."""
        headers = {
            "Cache-Control": FOR_EVER,
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        response = web.Response(status=304, headers=headers)
        if not unchanged(request, self.tag):
            zipped = "gzip" in request.headers.get("Accept-Encoding", "")
            headers |= {"Content-Encoding": "gzip"} if zipped else {}
            body = self.gzipped if zipped else self.body
            response = web.Response(body=body, content_type=self.content_type, headers=headers)
        response.etag = self.tag
        return response


def _assets(folder: Traversable) -> dict[str, Asset]:
    if not folder.is_dir():
        return {}
    return {file.name: Asset(file.name, file.read_bytes()) for file in folder.iterdir()}
