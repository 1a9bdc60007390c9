# SPDX-License-Identifier: Apache-2.0
"""Cross-origin requests (Fetch, section 3.2): off, but for origins that a setting names exactly.

Never with credentials: a page of another origin brings a bearer token of its own, and a session's
cookie opens nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web

EXPOSED = "ETag, Link, RateLimit, RateLimit-Policy, Retry-After, Deprecation, Sunset, Location"
METHODS = "GET, POST, PUT, DELETE"
TAKEN = "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Purpose-Of-Use"
MAX_AGE_S = 600


class Cors:
    """Which origins may read answers; none, if none is named.

    Parameters
    ----------
    origins
        As `PlatformSettings.cors_origins`.
    """

    def __init__(self, origins: str) -> None:
        self._origins = frozenset(each.strip() for each in origins.split(",") if each.strip())

    def is_foreign(self, request: web.Request) -> bool:
        """Whether a page of one of these origins asks."""
        return request.headers.get(hdrs.ORIGIN) in self._origins

    def headers(self, request: web.Request) -> Mapping[str, str]:
        """Let the page read the answer."""
        if not self.is_foreign(request):
            return {}
        return {
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: request.headers[hdrs.ORIGIN],
            hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: EXPOSED,
        }

    @property
    def varies(self) -> bool:
        """Whether answers are different for different origins."""
        return bool(self._origins)

    def preflight(self, request: web.Request) -> web.Response | None:
        """Answer a browser that asks first; None where this is no such question."""
        asks = request.method == "OPTIONS" and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not (asks and self.is_foreign(request)):
            return None
        headers = {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: TAKEN,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_S),
        }
        return web.Response(status=204, headers=headers)
