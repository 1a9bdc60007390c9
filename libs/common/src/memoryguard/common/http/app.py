# SPDX-License-Identifier: Apache-2.0
"""One aiohttp application for the routes of one or of all services.

Every request: who is it (bearer token, or the session cookie for reading), do they ask too often,
may they do this at all (the route's policy), the handler, then an access event. A read is recorded
before its answer leaves: when the record cannot be written, nothing is served.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.events import AccessDenied, AccessRead
from memoryguard.common.contracts.parts import Basis
from memoryguard.common.errors import Denied, MemoryGuardError, Unavailable
from memoryguard.common.http import idempotency, purpose
from memoryguard.common.http.cors import Cors
from memoryguard.common.http.denials import ANONYMOUS, Denials
from memoryguard.common.http.idempotency import Replies, Reply
from memoryguard.common.http.limits import LEFT, RateLimits, TooManyRequests
from memoryguard.common.http.problem import http_problem, problem
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.database import AWAY
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.telemetry import HTTP_SECONDS, span
from memoryguard.common.security.policy import Policy, Principal

logger = logging.getLogger(__name__)

SESSION_COOKIE = "memoryguard_session"
HSTS = "max-age=31536000"
PRINCIPAL = web.RequestKey("memoryguard.principal", Principal)
TOKEN = web.RequestKey("memoryguard.token", str)
STOPPING = web.RequestKey("memoryguard.stopping", asyncio.Event)
ROUTE = web.RequestKey("memoryguard.route", Route)


@dataclass(frozen=True, slots=True)
class About:
    """Whose data a request is about, and by what its caller may see it, for the access event."""

    subject_id: str = NOBODY
    scan_id: str | None = None
    user_id: str | None = None
    basis: Basis | None = None


CONCERNS = web.RequestKey("memoryguard.concerns", About)


@dataclass(frozen=True, slots=True)
class Gate:
    """What every request to one service passes."""

    platform: Platform
    session: Callable[[str], Awaitable[str | None]] | None
    denials: Denials
    limits: RateLimits
    cors: Cors
    replies: Replies
    stopping: asyncio.Event


Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


def principal_of(request: web.Request) -> Principal:
    """Who asks."""
    return request[PRINCIPAL]


def token_of(request: web.Request) -> str:
    """With which bearer token: the caller's own, or that of the session whose cookie it sent."""
    return request[TOKEN]


def stopping_of(request: web.Request) -> asyncio.Event:
    """Set when the server drains: streams should end."""
    return request[STOPPING]


def concerns(
    request: web.Request,
    *,
    subject_id: str | None = None,
    scan_id: str | None = None,
    user_id: str | None = None,
    basis: Basis | None = None,
) -> None:
    """Tell whose data a request is about, and by what it may be seen, for the access event."""
    request[CONCERNS] = About(subject_id or NOBODY, scan_id, user_id, basis)


def build_app(
    running: Sequence[tuple[Platform, Service]], stopping: asyncio.Event
) -> web.Application:
    """Mount every service's routes, and health and metrics."""
    app = web.Application(client_max_size=2**20)
    settings = running[0][0].settings
    limits, cors = RateLimits(settings), Cors(settings.cors_origins)
    gates = [
        Gate(
            platform, service.session, Denials(platform), limits, cors, Replies(platform), stopping
        )
        for platform, service in running
    ]
    for gate, (_, service) in zip(gates, running, strict=True):
        for route in service.routes:
            app.router.add_route(route.method, route.path, _endpoint(gate, service.name, route))
        app.cleanup_ctx.append(_flushing(gate.denials))
    for route in _own_routes([platform for platform, _ in running], stopping):
        app.router.add_route(route.method, route.path, _endpoint(gates[0], "http", route))
    app.middlewares.append(_outermost(cors))
    app.on_response_prepare.append(_telling(cors))
    if settings.tls_cert_file:
        app.on_response_prepare.append(_only_encrypted)
    return app


def _flushing(denials: Denials) -> Callable[[web.Application], AsyncIterator[None]]:
    async def flushing(_: web.Application) -> AsyncIterator[None]:
        async with denials.flushing():
            yield

    return flushing


def _telling(cors: Cors) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def telling(request: web.Request, response: web.StreamResponse) -> None:
        """Say in every answer, streams included, what concerns more than its own route."""
        left, route = request.get(LEFT), request.get(ROUTE)
        said = [cors.headers(request)]
        said += [left.headers()] if left else []
        said += [route.deprecated.headers()] if route and route.deprecated else []
        for name, value in (pair for headers in said for pair in headers.items()):
            response.headers.add(name, value)
        if cors.varies:
            response.headers.add("Vary", "Origin")

    return telling


async def _only_encrypted(_: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers to come back over TLS alone (RFC 6797)."""
    response.headers["Strict-Transport-Security"] = HSTS


def _own_routes(platforms: Sequence[Platform], stopping: asyncio.Event) -> list[Route]:
    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        if stopping.is_set():
            raise Unavailable("draining", "this process is stopping")
        for platform in platforms:
            await platform.pool.fetchval("select 1")
        return web.json_response({"status": "ready", "services": [p.name for p in platforms]})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def public(action: str) -> Policy:
        return Policy(action, public="tells nothing about anybody", audited=False)

    return [
        Route("GET", "/health/live", live, public("health")),
        Route("GET", "/health/ready", ready, public("health")),
        Route("GET", "/metrics", metrics, public("metrics")),
    ]


def _endpoint(gate: Gate, service: str, route: Route) -> Endpoint:
    async def serve(request: web.Request) -> web.StreamResponse:
        request[STOPPING], request[ROUTE] = gate.stopping, route
        started = time.perf_counter()
        with span(
            f"{route.method} {route.path}", request.headers.get("traceparent"), service=service
        ):
            response = await _answer(gate, route, request)
        HTTP_SECONDS.labels(service, route.path, str(response.status)).observe(
            time.perf_counter() - started
        )
        return response

    return serve


async def _answer(gate: Gate, route: Route, request: web.Request) -> web.StreamResponse:
    try:
        await _admit(gate, route.policy, request)
        response = await _handled(gate, route, request)
        if response.status < 400 and not response.prepared:
            await record_read(gate.platform, route.policy, request)
        return response
    except Denied as error:
        return await _refuse(gate, route, request, error)
    except MemoryGuardError as error:
        return problem(error)
    except web.HTTPException as error:
        return http_problem(error)
    except AWAY:
        return problem(Unavailable("unavailable", "a part of the platform is away"))
    except Exception:  # the last line of defence: no traceback reaches a caller
        logger.exception("request failed", extra={"route": route.path})
        return problem(MemoryGuardError("bug", "something went wrong on our side"))


async def _handled(gate: Gate, route: Route, request: web.Request) -> web.StreamResponse:
    """Carry a request out; one that has an idempotency key, at most once."""
    if not (route.keyed and idempotency.HEADER in request.headers):
        return await route.handler(request)
    principal = principal_of(request)

    async def work() -> tuple[web.StreamResponse, str]:
        response = await route.handler(request)
        return response, _whom(gate.platform, request.get(CONCERNS, About()), principal)

    answer = await gate.replies.once(request, principal, work)
    if not isinstance(answer, Reply):
        return answer
    concerns(request, subject_id=answer.subject_id)
    return answer.response()


async def _admit(gate: Gate, policy: Policy, request: web.Request) -> None:
    """Find out who asks, whether they ask too often, and whether their role may do this at all.

    Raises
    ------
    Denied
        ``invalid_token``, ``too_many_requests``, ``not_allowed``.
    Rejected
        ``bad_purpose``.
    """
    if policy.public:
        if policy.audited:  # what is not tells nothing about anybody, and probes need it
            gate.limits.count_address(request)
        return
    try:
        request[TOKEN] = await _token(gate, request)
        principal = await gate.platform.tokens.verify(request[TOKEN])
    except Denied:
        gate.limits.count_address(request)
        raise
    request[PRINCIPAL] = principal
    gate.limits.count_account(request, principal)
    if not policy.allows(principal):
        raise Denied("not_allowed", "your role may not do this", "ask for a token with the role")
    purpose.check(request)


async def _token(gate: Gate, request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        return header.removeprefix("Bearer ")
    cookie = request.cookies.get(SESSION_COOKIE)
    # It may read, never change anything; and a page of another origin never reads by it.
    if cookie and gate.session and request.method == "GET" and not gate.cors.is_foreign(request):
        return await gate.session(cookie) or ""
    return ""


async def _refuse(gate: Gate, route: Route, request: web.Request, error: Denied) -> web.Response:
    """Record a refusal, and answer it."""
    principal: Principal | None = request.get(PRINCIPAL)
    about = request.get(CONCERNS, About())
    fact = AccessDenied(
        subject_id=_whom(gate.platform, about, principal),
        actor_id=principal.user_id if principal else ANONYMOUS,
        action=route.policy.action,
        service=gate.platform.name,
        code=error.code,
        scan_id=about.scan_id,
        user_id=about.user_id,
        purpose=purpose.stated(request),
    )
    try:
        await gate.denials.record(fact)
    except AWAY:
        logger.error("denial not recorded", extra={"action": route.policy.action})
    answer = route.refused or _refusal
    response = answer(error)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _refusal(error: Denied) -> web.Response:
    return problem(error, 401 if error.code == "invalid_token" else error.http_status)


async def record_read(platform: Platform, policy: Policy, request: web.Request) -> None:
    """Write the access event of a request that is about to be served."""
    if not policy.audited or policy.public:
        return
    about = request.get(CONCERNS, About())
    principal = principal_of(request)
    fact = AccessRead(
        subject_id=_whom(platform, about, principal),
        actor_id=principal.user_id,
        action=policy.action,
        service=platform.name,
        scan_id=about.scan_id,
        user_id=about.user_id,
        purpose=purpose.of_read(request, about.basis),
        basis=about.basis,
    )
    await platform.say(fact)


def _whom(platform: Platform, about: About, principal: Principal | None) -> str:
    """Whom a request concerns: what a person asks about nobody else concerns that person."""
    if (
        about.subject_id == NOBODY
        and principal is not None
        and principal.roles == frozenset({"patient"})
    ):
        return platform.vault.user_subject_id(principal.user_id)
    return about.subject_id


def _outermost(cors: Cors) -> Middleware:
    @web.middleware
    async def outermost(request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Answer browsers that ask first, and unknown paths in the same form as everything else."""
        try:
            return cors.preflight(request) or await handler(request)
        except web.HTTPException as error:
            return http_problem(error)

    return outermost
