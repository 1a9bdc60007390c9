# SPDX-License-Identifier: Apache-2.0
"""Every look says by what it was permitted, and what for, as far as somebody says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import api_facts as say
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from memoryguard.api.service import build
from memoryguard.common.contracts import events as e
from memoryguard.common.http.app import build_app
from memoryguard.common.http.purpose import HEADER, PURPOSES

if TYPE_CHECKING:
    import asyncio

    from conftest import Api, Client

STATUS = f"/api/v1/imaging/{say.SCAN}/status"
PATHS = [STATUS, f"/api/v1/imaging/user/{say.ANNA}", "/api/v1/imaging"]
Look = tuple[str | None, str | None]
"""Basis and purpose of a look."""


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


async def looks(api: Api, client: Client, user: str, role: str, *said: str) -> list[Look]:
    """Look at Anna's data in every way; what the log would see of it."""
    await api.hear(say.at(say.received(), 0), say.at(say.rejected(), 1))
    before = len(await api.said())
    headers = [*api.bearer(user, role).items(), *((HEADER, purpose) for purpose in said)]
    for path in PATHS:
        response = await client.get(path, headers=headers)
        assert response.status == 200
    return about_anna((await api.said())[before:])


def about_anna(facts: Sequence[object]) -> list[Look]:
    return [(f.basis, f.purpose) for f in facts
            if isinstance(f, e.AccessRead) and f.user_id == say.ANNA]  # fmt: skip


async def let(api: Api, client: Client, role: str) -> None:
    await client.post(
        "/api/v1/access/invitations", json={"grantee_id": "carl"}, headers=api.bearer(say.ANNA)
    )
    accepted = await client.post(
        "/api/v1/access/grants", json={"user_id": say.ANNA}, headers=api.bearer("carl", role)
    )
    assert accepted.status == 200


async def test_ones_own_data_is_looked_at_on_ones_own_request(api: Api, client: Client) -> None:
    assert await looks(api, client, say.ANNA, "patient") == [("own", "PATRQT")] * len(PATHS)


async def test_a_clinician_looks_by_role_and_says_what_for(api: Api, client: Client) -> None:
    assert await looks(api, client, "dora", "clinician") == [("role", None)] * len(PATHS)
    assert await looks(api, client, "dora", "clinician", "TREAT") == [("role", "TREAT")] * len(
        PATHS
    )


@pytest.mark.parametrize("role", ["caregiver", "clinician"])
async def test_who_was_let_looks_by_grant(api: Api, strict: Client, role: str) -> None:
    await let(api, strict, role)
    assert await looks(api, strict, "carl", role) == [("grant", None)] * len(PATHS)
    assert await looks(api, strict, "carl", role, "FAMRQT") == [("grant", "FAMRQT")] * len(PATHS)


async def test_broken_glass_says_so_at_every_look(api: Api, strict: Client) -> None:
    emergency = {"user_id": say.ANNA, "reason": "emergency_treatment"}
    broken = await strict.post(
        "/api/v1/access/break-glass", json=emergency, headers=api.bearer("dora", "clinician")
    )
    assert broken.status == 201
    assert await looks(api, strict, "dora", "clinician") == [("override", "BTG")] * len(PATHS)
    said = await looks(api, strict, "dora", "clinician", "ETREAT")
    assert said == [("override", "ETREAT")] * len(PATHS)


async def test_a_denial_says_what_it_was_asked_for(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    refused = await client.get(STATUS, headers=api.bearer("berta") | {HEADER: "HRESCH"})
    assert refused.status == 404
    denied = (await api.said())[-1]
    assert isinstance(denied, e.AccessDenied)
    assert (denied.code, denied.purpose) == ("not_found", "HRESCH")


@pytest.mark.parametrize("said", [["curiosity"], [""], ["treat"], ["TREAT", "HRESCH"]])
async def test_a_purpose_that_is_none_is_refused_and_nothing_is_served(
    api: Api, client: Client, said: list[str]
) -> None:
    await api.hear(say.at(say.received(), 0))
    headers = [*api.bearer("dora", "clinician").items(), *((HEADER, each) for each in said)]
    response = await client.get(STATUS, headers=headers)
    told = await response.json()
    assert (response.status, told["code"]) == (422, "bad_purpose")
    assert all(purpose in told["hint"] for purpose in PURPOSES)
    assert "curiosity" not in str(told)
    assert await api.said() == []


async def test_who_came_in_as_somebody_is_found_under_their_pseudonym(
    api: Api, client: Client
) -> None:
    made = await client.post("/api/v1/sessions", json={"path": "/"}, headers=api.bearer(say.ANNA))
    followed = await client.get((await made.json())["url_path"], allow_redirects=False)
    cookie = {"Cookie": followed.headers["Set-Cookie"].split(";")[0]}
    client.session.cookie_jar.clear()
    assert (await client.get("/sign-out", headers=cookie)).status == 200
    ended = await client.delete("/api/v1/sessions", headers=api.bearer(say.ANNA))
    assert ended.status == 200
    subject = api.platform.vault.user_subject_id(say.ANNA)
    facts = [fact for fact in await api.said() if isinstance(fact, e.AccessRead)]
    assert [(fact.action, fact.subject_id, fact.basis) for fact in facts] == [
        ("session.create", subject, None),
        ("session.follow", subject, None),
        ("session.sign-out", subject, None),
        ("session.end", subject, None),
    ]
