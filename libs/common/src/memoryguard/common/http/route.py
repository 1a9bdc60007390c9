# SPDX-License-Identifier: Apache-2.0
"""A route is a path, a handler and a policy. There is no route without a policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from memoryguard.common.errors import Denied
from memoryguard.common.security.policy import Policy

HttpHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP route. ``refused`` answers a refusal where a problem document would not do."""

    method: str
    path: str
    handler: HttpHandler
    policy: Policy
    refused: Callable[[Denied], web.Response] | None = None
