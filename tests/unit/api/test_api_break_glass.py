# SPDX-License-Identifier: Apache-2.0
"""Where clinicians see only who lets them, they can break the glass, and everybody is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from memoryguard.api.grants import OVERRIDES
from memoryguard.api.service import build
from memoryguard.common.contracts import events as e
from memoryguard.common.errors import Misconfigured
from memoryguard.common.http.app import build_app

if TYPE_CHECKING:
    import asyncio

    from conftest import Api, Client

GLASS = "/api/v1/access/break-glass"
STATUS = f"/api/v1/imaging/{say.SCAN}/status"
RESULT = f"/api/v1/imaging/{say.SCAN}/analysis"
EMERGENCY = {"user_id": say.ANNA, "reason": "emergency_treatment"}


@pytest_asyncio.fixture
async def strict(
    api: Api, stopping: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Client]:
    """The service, where clinicians see only who lets them."""
    monkeypatch.setenv("MEMORYGUARD_API_CLINICIANS_SEE", "granted")
    async with AsyncExitStack() as stack:
        service = await build(api.platform, stack)
        app = build_app([(api.platform, service)], stopping)
        yield await stack.enter_async_context(TestClient(TestServer(app)))


async def seen(api: Api, client: Client, user: str = "dora", role: str = "clinician") -> list[int]:
    return [
        (await client.get(path, headers=api.bearer(user, role))).status for path in (STATUS, RESULT)
    ]


async def broken(api: Api, client: Client, who: tuple[str, str], **body: Any) -> tuple[int, Any]:
    response = await client.post(GLASS, json=EMERGENCY | body, headers=api.bearer(*who))
    return response.status, await response.json()


async def hear(api: Api, user_id: str | None = say.ANNA) -> None:
    await api.hear(say.at(say.received(user_id=user_id), 0), say.at(say.refused(), 1))


async def test_a_clinician_sees_who_lets_them_and_nobody_else(api: Api, strict: Client) -> None:
    await hear(api)
    assert await seen(api, strict) == [404, 404]
    home = await strict.get("/api/v1/imaging", headers=api.bearer("dora", "clinician"))
    assert say.SCAN not in await home.text()
    offer = {"grantee_id": "dora", "scopes": ["status"]}
    await strict.post("/api/v1/access/invitations", json=offer, headers=api.bearer(say.ANNA))
    accepted = await strict.post(
        "/api/v1/access/grants", json={"user_id": say.ANNA}, headers=api.bearer("dora", "clinician")
    )
    assert accepted.status == 200
    assert await seen(api, strict) == [200, 404]


async def test_a_scan_of_nobody_is_still_for_clinicians(api: Api, strict: Client) -> None:
    await api.hear(say.at(say.received(user_id=None), 0))
    assert (await seen(api, strict))[0] == 200
    home = await strict.get("/api/v1/imaging", headers=api.bearer("dora", "clinician"))
    assert say.SCAN in await home.text()


@pytest.mark.control("164.312(a)(2)(ii)", "glass")
async def test_broken_glass_opens_for_a_while_and_for_one_and_says_so(
    api: Api, strict: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await hear(api)
    before = OVERRIDES.labels("emergency_treatment")._value.get()
    began = datetime.now(UTC)
    with caplog.at_level(logging.WARNING):
        status, told = await broken(api, strict, ("dora", "clinician"))
    assert status == 201
    assert await seen(api, strict) == [200, 200]
    assert await seen(api, strict, "dirk") == [404, 404]
    assert await seen(api, strict, "dora", "caregiver") == [404, 404]
    home = await strict.get("/api/v1/imaging", headers=api.bearer("dora", "clinician"))
    assert say.SCAN in await home.text()
    (fact,) = [fact for fact in await api.said() if isinstance(fact, e.AccessOverridden)]
    assert (fact.actor_id, fact.user_id, fact.reason) == ("dora", say.ANNA, "emergency_treatment")
    assert fact.subject_id == api.platform.vault.user_subject_id(say.ANNA)
    assert fact.expires_at == datetime.fromisoformat(told["expires_at"])
    assert timedelta(minutes=59) < fact.expires_at - began < timedelta(minutes=61)
    assert OVERRIDES.labels("emergency_treatment")._value.get() == before + 1
    assert "memoryguard_access_overrides_total" in await (await strict.get("/metrics")).text()
    assert "somebody broke the glass" in caplog.text
    assert say.ANNA not in caplog.text
    await api.platform.pool.execute("update access_override set expires_at = now()")
    assert await seen(api, strict) == [404, 404]


async def test_it_opens_nobody_elses_data(api: Api, strict: Client) -> None:
    await hear(api, user_id="berta")
    await broken(api, strict, ("dora", "clinician"))
    assert await seen(api, strict) == [404, 404]


@pytest.mark.control("164.312(a)(2)(ii)", "glass")
@pytest.mark.parametrize("role", ["patient", "caregiver", "compliance", "integration", "admin"])
async def test_only_a_clinician_breaks_it(api: Api, strict: Client, role: str) -> None:
    assert (await broken(api, strict, ("dora", role)))[0] == 403


@pytest.mark.control("164.312(a)(2)(ii)", "glass")
@pytest.mark.parametrize(
    "body",
    [
        {"reason": None},
        {"reason": "Mrs. Canary of 5 Elm Street has fallen"},
        {"user_id": "a\0b"},
        {"minutes": 0},
        {"minutes": 241},
        {"more": 1},
    ],
)
async def test_a_bad_reason_or_time_is_refused(
    api: Api, strict: Client, body: dict[str, Any]
) -> None:
    status, told = await broken(api, strict, ("dora", "clinician"), **body)
    assert (status, told["code"]) == (422, "bad_override")
    assert "Canary" not in str(told)
    assert await api.said() == []


async def test_where_clinicians_see_everybody_there_is_no_glass(api: Api, client: Client) -> None:
    status, told = await broken(api, client, ("dora", "clinician"))
    assert (status, told["code"]) == (422, "not_needed")


async def test_a_wrong_setting_is_named_and_not_shown(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORYGUARD_API_CLINICIANS_SEE", "canary")
    async with AsyncExitStack() as stack:
        with pytest.raises(Misconfigured, match="clinicians_see") as raised:
            await build(api.platform, stack)
    assert "canary" not in str(raised.value)
