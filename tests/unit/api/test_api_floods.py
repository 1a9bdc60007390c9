# SPDX-License-Identifier: Apache-2.0
"""Who asks too often waits; and no flood of refusals fills the log."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.http.app import build_app
from memoryguard.common.http.denials import Denials
from memoryguard.common.http.limits import MAX_KEYS, RateLimit, TooManyRequests, address_of
from memoryguard.common.runtime.database import Pool

if TYPE_CHECKING:
    from conftest import Api, Client

FLOOD = 1000
ME = "/api/v1/sessions"
PATH = f"/api/v1/imaging/{say.SCAN}/status"


async def ask(client: Client, path: str, headers: dict[str, str] | None = None) -> int:
    async with client.get(path, headers=headers or {}) as response:
        if response.status == 429:
            assert int(response.headers["Retry-After"]) >= 1
        return response.status


async def denials(api: Api) -> list[e.AccessDenied]:
    return [fact for fact in await api.said() if isinstance(fact, e.AccessDenied)]


async def test_a_flood_of_strangers_leaves_a_handful_of_events_that_count_it(
    api: Api, client: Client
) -> None:
    began = datetime.now(UTC)
    answers = Counter[int]()
    for _ in range(FLOOD // 50):
        answers.update(await asyncio.gather(*(ask(client, PATH) for _ in range(50))))
    assert set(answers) == {401, 429}
    assert await ask(client, "/static/page.css") == 200, "what tells nothing is never limited"
    assert await ask(client, PATH, api.bearer(say.ANNA)) == 404, "nor who is known, by strangers"
    await client.close()  # the process stops: what was counted is said
    told = await denials(api)
    strangers = [fact for fact in told if fact.actor_id == "anonymous"]
    assert len(strangers) == 4  # of each code the first, and all others together
    for code, status in (("invalid_token", 401), ("too_many_requests", 429)):
        first, rest = (fact for fact in strangers if fact.code == code)
        assert (first.times, first.since) == (1, None)
        assert first.times + rest.times == answers[status]
        assert rest.since
        assert began <= rest.since <= datetime.now(UTC)
        assert (rest.action, rest.service, rest.subject_id) == ("imaging.status", "api", NOBODY)
    assert [fact.actor_id for fact in told if fact.actor_id != "anonymous"] == [say.ANNA]


@pytest.mark.control("164.312(b)", "looks")
async def test_who_is_known_is_recorded_refusal_by_refusal(api: Api, client: Client) -> None:
    for _ in range(30):
        await ask(client, PATH, api.bearer("mallory"))
    await client.close()
    told = await denials(api)
    assert [(fact.actor_id, fact.code, fact.times) for fact in told] == [
        ("mallory", "not_found", 1)
    ] * 30


async def test_an_account_that_asks_too_often_waits_and_nobody_else_does(api: Api) -> None:
    async with limited(api, rate_per_second=0.01) as client:  # one, then one in 100 seconds
        answers = [await ask(client, PATH, api.bearer("mallory")) for _ in range(4)]
        page = await client.get("/sign-out", headers=api.bearer("mallory"))
        assert "One moment" in await page.text()
        assert await ask(client, ME, api.bearer(say.ANNA)) == 200
    assert answers == [404] + [429] * 3
    assert [(f.actor_id, f.action, f.code, f.times) for f in await denials(api)] == [
        ("mallory", "imaging.status", "not_found", 1),
        ("mallory", "imaging.status", "too_many_requests", 1),
        ("mallory", "session.sign-out", "too_many_requests", 1),
        ("mallory", "imaging.status", "too_many_requests", 2),
    ]


async def test_links_cannot_be_guessed_at_speed(api: Api) -> None:
    async with limited(api, anonymous_rate_per_second=0.01) as client:
        first, second = [await client.get(f"/s/{'a' * 40}{n}") for n in range(2)]
        assert first.status == 404
        assert second.status == 429
        assert "One moment" in await second.text()
    assert [(fact.action, fact.code) for fact in await denials(api)] == [
        ("session.follow", "dead_link"),
        ("session.follow", "too_many_requests"),
    ]


async def test_a_program_is_told_by_a_code(api: Api) -> None:
    async with limited(api, rate_per_second=0.01) as client:
        for code in ("not_found", "too_many_requests"):
            response = await client.get(PATH, headers=api.bearer(say.ANNA))
            assert response.content_type == "application/problem+json"
            assert (await response.json())["code"] == code


def limited(api: Api, **limits: float) -> Client:
    """The service with other limits, on a socket of its own."""
    settings = api.platform.settings.model_copy(update=limits)
    platform = replace(api.platform, settings=settings)
    return TestClient(TestServer(build_app([(platform, api.service)], asyncio.Event())))


def stranger(code: str = "invalid_token") -> e.AccessDenied:
    return e.AccessDenied(
        subject_id=NOBODY, actor_id="anonymous", action="a", service="api", code=code
    )


async def test_each_window_begins_anew(api: Api) -> None:
    counted = Denials(api.platform)
    for _ in range(2):
        for _ in range(3):
            await counted.record(stranger())
        await counted.record(stranger("other"))
        await counted.flush()
    assert [(fact.code, fact.times) for fact in await denials(api)] == [
        ("invalid_token", 1), ("other", 1), ("invalid_token", 2),
    ] * 2  # fmt: skip
    await counted.flush()
    assert len(await denials(api)) == 6


async def test_a_window_ends_by_itself(api: Api) -> None:
    counted = Denials(api.platform, window_s=0.05)
    async with counted.flushing(), asyncio.timeout(10):
        await counted.record(stranger())
        await counted.record(stranger())
        while len(await denials(api)) < 2:
            await asyncio.sleep(0.01)


async def test_while_the_database_is_away_refusals_are_counted_on(api: Api) -> None:
    away: Any = Away(api.platform.pool)
    counted = Denials(replace(api.platform, pool=away))
    for _ in range(3):
        await counted.record(stranger())
    await counted.flush()
    away.there = True
    await counted.flush()
    assert [(fact.code, fact.times) for fact in await denials(api)] == [("invalid_token", 3)]


class Away:
    """A pool whose database is away at first."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.there = False

    def acquire(self) -> Any:
        if not self.there:
            raise ConnectionRefusedError
        return self.pool.acquire()


# --- the bucket ----------------------------------------------------------------------------


def test_a_bucket_holds_ten_seconds_and_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(2.0, lambda: now[0])
    for _ in range(20):
        limit.take("a")
    with pytest.raises(TooManyRequests) as raised:
        limit.take("a")
    assert raised.value.retry_after_s == 1
    limit.take("b")
    now[0] += 0.5
    limit.take("a")
    with pytest.raises(TooManyRequests):
        limit.take("a")
    now[0] += 1000
    for _ in range(20):
        limit.take("a")
    with pytest.raises(TooManyRequests):
        limit.take("a")


def test_a_slow_bucket_lets_one_through_and_says_how_long() -> None:
    limit = RateLimit(0.01, lambda: 0.0)
    limit.take("a")
    with pytest.raises(TooManyRequests) as raised:
        limit.take("a")
    assert raised.value.retry_after_s == 100


def test_buckets_are_bounded() -> None:
    limit = RateLimit(0.1, lambda: 0.0)
    limit.take("first")
    for n in range(MAX_KEYS):
        limit.take(str(n))
    limit.take("first")  # forgotten, as who has not asked for longest
    with pytest.raises(TooManyRequests):
        limit.take(str(MAX_KEYS - 1))


@pytest.mark.parametrize(
    ("forwarded", "behind_proxy", "address"),
    [
        ("203.0.113.9", False, "unknown"),  # the mocked request comes from nowhere
        ("203.0.113.9", True, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", True, "203.0.113.9"),  # the caller wrote the first
        ("2001:db8:1:2:3:4:5:6", True, "2001:db8:1:2::/64"),
        ("not an address", True, "unknown"),
        ("", True, "unknown"),
    ],
)
def test_an_address_is_what_our_proxy_saw(forwarded: str, behind_proxy: bool, address: str) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded})
    assert address_of(request, behind_proxy=behind_proxy) == address
