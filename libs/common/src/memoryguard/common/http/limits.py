# SPDX-License-Identifier: Apache-2.0
"""How many requests one account, or one address without an account, may make in this process."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from memoryguard.common.errors import Denied
from memoryguard.common.runtime.settings import PlatformSettings
from memoryguard.common.security.policy import Principal

BURST_S = 10.0
MAX_KEYS = 20_000
ROUNDING_S = 1e-6
IPV6_SITE_BITS = 64  # one subscriber has at least this many addresses to choose from


class TooManyRequests(Denied):
    """The caller has to wait."""

    http_status = 429

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            "too_many_requests", "too many requests in a short time", "wait as Retry-After says"
        )
        self.retry_after_s = math.ceil(wait_s)

    def __reduce__(self) -> tuple[type[TooManyRequests], tuple[float]]:  # type: ignore[override]
        """Take the time to wait alone."""
        return type(self), (self.retry_after_s,)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a limit, for whoever it counts.

    Parameters
    ----------
    policy
        Name of the limit.
    quota
        How many requests at once it allows.
    window_s
        Seconds in which so many are allowed again.
    remaining
        How many are left now.
    full_in_s
        Seconds until all of them are there again.
    """

    policy: str
    quota: int
    window_s: int
    remaining: int
    full_in_s: int

    def headers(self) -> Mapping[str, str]:
        """Tell the caller (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={self.window_s}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.full_in_s}',
        }


LEFT = web.RequestKey("memoryguard.left", Left)


class RateLimit:
    """A token bucket for each key, kept as the one time at which it will be full again.

    Parameters
    ----------
    per_second
        How fast a bucket fills; it holds ``BURST_S`` seconds' worth, one at least.
    clock
        Seconds, never going back.
    name
        What callers are told that it is.
    """

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic, name: str = "account"
    ) -> None:
        self._name = name
        self._each_s = 1 / per_second
        self._slack_s = max(BURST_S - self._each_s, 0.0)
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def take(self, key: str) -> None:
        """Take one out of a key's bucket.

        Raises
        ------
        TooManyRequests
            It is empty.
        """
        now = self._clock()
        full_at = max(self._full_at.pop(key, now), now)
        wait_s = full_at - now - self._slack_s
        self._full_at[key] = full_at if wait_s > 0 else full_at + self._each_s
        if len(self._full_at) > MAX_KEYS:  # who has not asked for longest is forgotten first
            del self._full_at[next(iter(self._full_at))]
        if wait_s > 0:
            raise TooManyRequests(wait_s)

    def left(self, key: str) -> Left:
        """Tell what is left in a key's bucket."""
        now = self._clock()
        backlog_s = max(self._full_at.get(key, now) - now, 0.0)
        return Left(
            policy=self._name,
            quota=self._whole(0.0),
            window_s=math.ceil(max(BURST_S, self._each_s)),
            remaining=self._whole(backlog_s),
            full_in_s=math.ceil(backlog_s),
        )

    def _whole(self, backlog_s: float) -> int:
        """How many can be taken at once."""
        free_s = self._slack_s - backlog_s + ROUNDING_S
        return int(free_s / self._each_s) + 1 if free_s >= 0 else 0


class RateLimits:
    """The limits of one process."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._accounts = RateLimit(settings.rate_per_second)
        self._addresses = RateLimit(settings.anonymous_rate_per_second, name="address")
        self._behind_proxy = settings.behind_proxy

    def count_account(self, request: web.Request, principal: Principal) -> None:
        """Count a request of somebody who is known; TooManyRequests when it is one too many."""
        _count(self._accounts, principal.user_id, request)

    def count_address(self, request: web.Request) -> None:
        """Count a request of somebody who is not known; TooManyRequests likewise."""
        _count(self._addresses, address_of(request, behind_proxy=self._behind_proxy), request)


def _count(limit: RateLimit, key: str, request: web.Request) -> None:
    try:
        limit.take(key)
    finally:
        request[LEFT] = limit.left(key)


def address_of(request: web.Request, *, behind_proxy: bool) -> str:
    """Where a request comes from; an IPv6 address by its network.

    Only what our own proxy appended to ``X-Forwarded-For`` counts: the caller writes the rest.
    """
    named = request.headers.getall("X-Forwarded-For", [""])[-1].rsplit(",", 1)[-1].strip()
    text = named if behind_proxy and named else request.remote or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_SITE_BITS), strict=False))
