# SPDX-License-Identifier: Apache-2.0
"""A route is a path, a handler and a policy. There is no route without a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeAlias

from aiohttp import web

from memoryguard.common.errors import Denied
from memoryguard.common.http.operation import Operation
from memoryguard.common.security.policy import Policy

HttpHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOTICE = timedelta(days=365)
"""How long a route goes on working, at least, after callers are told that it will end."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """That a route will end (RFC 9745), when (RFC 8594), and where to read what replaces it."""

    since: datetime
    sunset: datetime
    see: str

    def __post_init__(self) -> None:
        if self.sunset - self.since < NOTICE:
            raise ValueError(f"a route works for {NOTICE.days} days after it is deprecated")

    def headers(self) -> Mapping[str, str]:
        """Say it in every answer."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.sunset.astimezone(UTC), usegmt=True),
            "Link": f'<{self.see}>; rel="deprecation", <{self.see}>; rel="sunset"',
        }


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP route.

    Attributes
    ----------
    refused
        Answers a refusal where a problem document would not do.
    doc
        What it takes and answers; `openapi` publishes it. Every route of a service has it.
    keyed
        Whether it takes an ``Idempotency-Key`` (see `idempotency`): its answer is JSON then.
    deprecated
        That it will end.
    """

    method: str
    path: str
    handler: HttpHandler
    policy: Policy
    refused: Callable[[Denied], web.Response] | None = None
    doc: Operation | None = None
    keyed: bool = False
    deprecated: Deprecation | None = None
