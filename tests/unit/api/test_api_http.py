# SPDX-License-Identifier: Apache-2.0
"""What holds for every route: validators, pages, limits, origins, idempotency keys, the end."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
from aiohttp.test_utils import TestClient, TestServer

from memoryguard.common.contracts import events as e
from memoryguard.common.errors import Misconfigured
from memoryguard.common.http.app import build_app
from memoryguard.common.http.limits import RateLimit, TooManyRequests
from memoryguard.common.http.route import Deprecation
from memoryguard.common.runtime.settings import PlatformSettings, read

if TYPE_CHECKING:
    from conftest import Api, Client

STATUS = f"/api/v1/imaging/{say.SCAN}/status"
INVITATIONS, SESSIONS = "/api/v1/access/invitations", "/api/v1/sessions"
PARTNER = "https://portal.example"


def served(api: Api, **settings: Any) -> Client:
    """The service with other settings, on a socket of its own."""
    changed = api.platform.settings.model_copy(update=settings)
    platform = replace(api.platform, settings=changed)
    return TestClient(TestServer(build_app([(platform, api.service)], asyncio.Event())))


# --- problems, validators, pages -----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", STATUS, 405),
        ("OPTIONS", STATUS, 405),
    ],
)
async def test_what_does_not_exist_is_a_problem_too(
    client: Client, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert (response.status, response.content_type) == (status, "application/problem+json")
    told = await response.json()
    assert told["type"] == "urn:memoryguard:error:no_such_route"
    assert (told["status"], told["code"]) == (status, "no_such_route")
    assert response.headers.get("Allow") == ("GET" if status == 405 else None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "bad_json"),
        (b"[1]", 422, "bad_json"),
        (b'"' + b"x" * 2**20 + b'"', 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    api: Api, client: Client, body: bytes, status: int, code: str
) -> None:
    response = await client.post(INVITATIONS, data=io.BytesIO(body), headers=api.bearer(say.ANNA))
    assert (response.status, response.content_type) == (status, "application/problem+json")
    assert (await response.json())["code"] == code


async def test_what_is_known_already_is_not_sent_again(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    for path in (STATUS, f"/api/v1/imaging/user/{say.ANNA}", "/api/v1/access/grants"):
        first = await client.get(path, headers=api.bearer(say.ANNA))
        known = {"If-None-Match": first.headers["ETag"]}
        again = await client.get(path, headers=api.bearer(say.ANNA) | known)
        assert (first.status, again.status, await again.read()) == (200, 304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
    page = await client.get("/api/v1/openapi.json")
    assert page.headers["ETag"]


async def test_a_page_leads_to_the_next_one(api: Api, client: Client) -> None:
    for number in range(3):
        await api.hear(say.at(say.received(scan_id=f"scan-{number}"), number))
    path, seen = f"/api/v1/imaging/user/{say.ANNA}?limit=2", list[str]()
    while path:
        response = await client.get(path, headers=api.bearer(say.ANNA))
        told = await response.json()
        seen += [item["imaging_id"] for item in told["items"]]
        link = response.headers.get("Link", "")
        assert bool(link) == bool(told["next_cursor"])
        assert not link or link.endswith('>; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    assert seen == ["scan-2", "scan-1", "scan-0"]


# --- limits --------------------------------------------------------------------------------


async def test_whoever_asks_is_told_what_is_left(api: Api) -> None:
    async with served(api, rate_per_second=0.2) as client:
        first, second, third = [
            await client.get(STATUS, headers=api.bearer(say.ANNA)) for _ in range(3)
        ]
    assert first.headers["RateLimit-Policy"] == '"account";q=2;w=10'
    assert first.headers["RateLimit"] == '"account";r=1;t=5'
    assert second.headers["RateLimit"].startswith('"account";r=0;t=')
    assert (first.status, second.status, third.status) == (404, 404, 429)
    assert third.headers["RateLimit"].startswith('"account";r=0;t=')
    assert 1 <= int(third.headers["Retry-After"]) <= 5


async def test_a_stranger_is_told_of_the_limit_of_their_address(client: Client) -> None:
    response = await client.get(STATUS)
    assert response.headers["RateLimit-Policy"].startswith('"address";q=200;')
    asset = await client.get("/static/page.css")
    assert "RateLimit" not in asset.headers, "what tells nothing is not counted"


def test_as_many_are_left_as_can_be_taken() -> None:
    now = [0.0]
    for per_second in (0.01, 0.3, 1.0, 2.0, 7.0):
        limit = RateLimit(per_second, lambda: now[0])
        left = limit.left("a")
        assert left.remaining == left.quota
        for remaining in range(left.quota - 1, -1, -1):
            limit.take("a")
            assert limit.left("a").remaining == remaining
        with pytest.raises(TooManyRequests):
            limit.take("a")
        now[0] += limit.left("a").full_in_s
        assert limit.left("a").remaining == left.quota


# --- other origins -------------------------------------------------------------------------

PREFLIGHT = {"Origin": PARTNER, "Access-Control-Request-Method": "GET"}


async def test_no_other_origin_reads_anything_unless_it_is_named(api: Api, client: Client) -> None:
    response = await client.options(STATUS, headers=PREFLIGHT)
    assert response.status == 405
    answer = await client.get(STATUS, headers=api.bearer(say.ANNA) | {"Origin": PARTNER})
    for each in (response, answer):
        assert not [name for name in each.headers if name.lower().startswith("access-control")]


async def test_a_named_origin_may_ask_with_a_token(api: Api) -> None:
    async with served(api, cors_origins=f"{PARTNER}, https://other.example:8443") as client:
        asked = await client.options(STATUS, headers=PREFLIGHT)
        assert asked.status == 204
        assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
        answer = await client.get(STATUS, headers=api.bearer(say.ANNA) | {"Origin": PARTNER})
        assert answer.headers["Access-Control-Allow-Origin"] == PARTNER
        assert answer.headers["Vary"] == "Origin"
        for name in ("ETag", "Link", "RateLimit", "Retry-After"):
            assert name in answer.headers["Access-Control-Expose-Headers"].split(", ")
        for each in (asked, answer):
            assert "Access-Control-Allow-Credentials" not in each.headers
        for origin in (f"{PARTNER}.evil.example", "http://portal.example", "null"):
            response = await client.options(STATUS, headers=PREFLIGHT | {"Origin": origin})
            assert response.status == 405
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_named_origin_never_reads_by_a_cookie(api: Api) -> None:
    async with served(api, cors_origins=PARTNER) as client:
        made = await client.post(SESSIONS, json={}, headers=api.bearer(say.ANNA))
        path = (await made.json())["url_path"]
        followed = await client.get(path, allow_redirects=False)
        cookie = {"Cookie": f"memoryguard_session={followed.cookies['memoryguard_session'].value}"}
        own = await client.get(SESSIONS, headers=cookie)
        assert (own.status, (await own.json())["user_id"]) == (200, say.ANNA)
        assert own.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        foreign = await client.get(SESSIONS, headers=cookie | {"Origin": PARTNER})
        assert foreign.status == 401


@pytest.mark.parametrize(
    "origins", ["*", "null", "https://a.example/", "portal.example", "https://a.example,*"]
)
def test_only_exact_origins_can_be_named(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORYGUARD_CORS_ORIGINS", origins)
    with pytest.raises(Misconfigured, match="cors_origins"):
        read(PlatformSettings)


# --- idempotency keys ----------------------------------------------------------------------


async def offer(api: Api, client: Client, key: str, **body: Any) -> tuple[int, Mapping[str, Any]]:
    headers = api.bearer(say.ANNA) | {"Idempotency-Key": key}
    response = await client.post(INVITATIONS, json=body, headers=headers)
    return response.status, await response.json()


async def test_what_is_repeated_under_a_key_is_done_once(api: Api, client: Client) -> None:
    first = await offer(api, client, "one")
    assert await offer(api, client, "one") == first
    assert first[1]["code"] is not None
    assert (await offer(api, client, "two"))[1]["invitation_id"] != first[1]["invitation_id"]
    assert sum(isinstance(fact, e.AccessInvited) for fact in await api.said()) == 2
    kept = await api.platform.pool.fetchval("select string_agg(sealed::text, '') from keyed_answer")
    assert first[1]["code"].encode().hex() not in kept


async def test_a_key_belongs_to_one_request_and_one_caller(api: Api, client: Client) -> None:
    first = await offer(api, client, "one")
    status, told = await offer(api, client, "one", scopes=["status"])
    assert (status, told["code"]) == (422, "idempotency_key_reused")
    headers = api.bearer("berta") | {"Idempotency-Key": "one"}
    other = await client.post(INVITATIONS, json={}, headers=headers)
    assert other.status == 201
    assert (await other.json())["invitation_id"] != first[1]["invitation_id"]


async def test_repeats_at_once_are_done_once(api: Api, client: Client) -> None:
    answers = await asyncio.gather(*(offer(api, client, "one") for _ in range(8)))
    made = {told["invitation_id"] for status, told in answers if status == 201}
    assert len(made) == 1
    assert {status for status, _ in answers} <= {201, 409}
    assert {told["code"] for s, told in answers if s == 409} <= {"idempotency_key_in_use"}
    assert sum(isinstance(fact, e.AccessInvited) for fact in await api.said()) == 1


async def test_a_request_that_is_being_worked_on_is_not_begun_again(
    api: Api, client: Client
) -> None:
    await offer(api, client, "one")
    pool = api.platform.pool
    await pool.execute("update keyed_answer set sealed = null")
    status, told = await offer(api, client, "one")
    assert (status, told["code"]) == (409, "idempotency_key_in_use")
    await pool.execute("update keyed_answer set at = now() - interval '2 minutes'")
    assert (await offer(api, client, "one"))[0] == 201, "its process died"


async def test_what_failed_can_be_tried_again_under_its_key(api: Api, client: Client) -> None:
    assert (await offer(api, client, "one", scopes=[]))[0] == 422
    assert (await offer(api, client, "one"))[0] == 201


async def test_a_key_is_forgotten_after_a_day_and_has_its_person(api: Api, client: Client) -> None:
    pool = api.platform.pool
    first = await offer(api, client, "one")
    subject_id = await pool.fetchval("select subject_id from keyed_answer")
    assert subject_id == api.platform.vault.user_subject_id(say.ANNA)
    await pool.execute("update keyed_answer set at = now() - interval '25 hours'")
    assert (await offer(api, client, "one"))[1] != first[1]
    for key in ("", "x" * 201):
        assert (await offer(api, client, key))[1]["code"] == "bad_idempotency_key"


# --- the end of a route --------------------------------------------------------------------

SINCE = datetime(2027, 1, 1, tzinfo=UTC)


async def test_a_route_that_will_end_says_so_in_every_answer(api: Api) -> None:
    end = Deprecation(SINCE, SINCE + timedelta(days=400), "/api")
    routes = [
        replace(route, deprecated=end if route.path.endswith("/status") else None)
        for route in api.service.routes
    ]
    app = build_app([(api.platform, replace(api.service, routes=routes))], asyncio.Event())
    async with TestClient(TestServer(app)) as client:
        for headers in ({}, api.bearer(say.ANNA)):
            response = await client.get(STATUS, headers=headers)
            assert response.headers["Deprecation"] == "@1798761600"
            assert response.headers["Sunset"] == "Sat, 05 Feb 2028 00:00:00 GMT"
            assert '</api>; rel="deprecation"' in response.headers["Link"]
        other = await client.get("/api/v1/imaging", headers=api.bearer(say.ANNA))
        assert "Deprecation" not in other.headers


def test_nobody_is_given_less_than_a_year() -> None:
    with pytest.raises(ValueError, match="365 days"):
        Deprecation(SINCE, SINCE + timedelta(days=364), "/api")


# --- the page about all this ---------------------------------------------------------------


async def test_the_reference_names_every_operation_and_form(client: Client) -> None:
    document = await (await client.get("/api/v1/openapi.json")).json()
    response = await client.get("/api")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    text = await response.text()
    assert "<script" not in text
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f'id="{operation["operationId"]}"' in text
            assert f"{method.upper()} {path}" in text
    for name in document["components"]["schemas"]:
        assert f'id="{name.lower()}"' in text
