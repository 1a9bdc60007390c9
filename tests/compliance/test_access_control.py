# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(a): access control, accounts, emergencies, logoff; each on, and switched off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clinic import (
    ANALYSIS,
    ANNA,
    STATUS,
    Clinic,
    Open,
    forgets,
    instead,
    open_clinic,
    opened,
    showing,
)

from memoryguard.api.access import Access
from memoryguard.api.sessions import Sessions
from memoryguard.api.sign_in import SignIn
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.parts import Basis
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.security.policy import ROLES, Principal
from memoryguard.common.security.tokens import generate_key_pair

GLASS = "/api/v1/access/break-glass"
DORA, BERTA, CARL = ("dora", "clinician"), ("berta", "patient"), ("carl", "caregiver")
EMERGENCY = {"user_id": ANNA, "reason": "emergency_treatment"}


@pytest.fixture(autouse=True)
def granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hospital where clinicians see only who lets them: there is glass to break."""
    monkeypatch.setenv("MEMORYGUARD_API_CLINICIANS_SEE", "granted")


class Everybody:
    """Takes any token, or none, as one account's: who asks is not asked."""

    async def verify(self, token: str) -> Principal:
        return Principal(ANNA, ROLES)


# --- 164.312(a)(1): roles ------------------------------------------------------------------


async def each_role_keeps_to_its_own(clinic: Clinic) -> None:
    """Nothing without a token; and only a clinician breaks the glass."""
    assert await clinic.status(STATUS) == 401
    for role in sorted(ROLES - {"clinician"}):
        assert (await clinic.ask("POST", GLASS, ("eve", role), json=EMERGENCY))[0] == 403


@pytest.mark.control("164.312(a)(1)", "roles")
async def test_each_role_keeps_to_its_own(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await each_role_keeps_to_its_own(clinic)


@pytest.mark.control("164.312(a)(1)", "roles", off="policies that allow every role")
async def test_roles_switched_off_are_noticed(tmp_path: Path, database_url: str) -> None:
    def open_to_all(_: Platform, service: Service) -> Service:
        return replace(service, routes=opened(service.routes))

    async with open_clinic(tmp_path, database_url, service=open_to_all) as clinic:
        with pytest.raises(AssertionError, match="201 == 403"):
            await each_role_keeps_to_its_own(clinic)


@pytest.mark.control("164.312(a)(1)", "roles", off="a verifier that takes any token, or none")
async def test_tokens_switched_off_are_noticed(tmp_path: Path, database_url: str) -> None:
    def open_to_all(platform: Platform) -> Platform:
        return replace(platform, tokens=Everybody())

    async with open_clinic(tmp_path, database_url, platform=open_to_all) as clinic:
        with pytest.raises(AssertionError, match="200 == 401"):
            await each_role_keeps_to_its_own(clinic)


# --- 164.312(a)(1): people -----------------------------------------------------------------


async def only_who_is_let_sees_anna(clinic: Clinic) -> None:
    assert await clinic.status(ANALYSIS, (ANNA, "patient")) == 200
    for who in (BERTA, CARL, DORA):
        assert await clinic.status(ANALYSIS, who) == 404
    offer = {"grantee_id": "carl", "scopes": ["results"]}
    invited = await clinic.ask("POST", "/api/v1/access/invitations", (ANNA, "patient"), json=offer)
    assert invited[0] == 201
    accepted = await clinic.ask("POST", "/api/v1/access/grants", CARL, json={"user_id": ANNA})
    assert accepted[0] == 200
    assert await clinic.status(ANALYSIS, CARL) == 200
    assert await clinic.status(ANALYSIS, DORA) == 404
    await clinic.ask("DELETE", "/api/v1/access/grants/carl", (ANNA, "patient"))
    assert await clinic.status(ANALYSIS, CARL) == 404


@pytest.mark.control("164.312(a)(1)", "people")
async def test_only_who_is_let_sees_anna(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await only_who_is_let_sees_anna(clinic)


@pytest.mark.control("164.312(a)(1)", "people", off="an answer of yes to whose data it is")
async def test_people_switched_off_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=showing(Open)) as clinic:
        with pytest.raises(AssertionError, match="200 == 404"):
            await only_who_is_let_sees_anna(clinic)


# --- 164.312(a)(2)(i): accounts ------------------------------------------------------------


async def each_look_bears_its_account(clinic: Clinic) -> None:
    await clinic.status(STATUS, (ANNA, "patient"))
    await clinic.status(STATUS, BERTA)
    assert await clinic.told() == [("read", ANNA), ("denied", "berta")]
    for nobody in ("", " \0", "x" * 101):
        assert await clinic.status(STATUS, (nobody, "clinician")) == 401


@pytest.mark.control("164.312(a)(2)(i)", "accounts")
async def test_each_look_bears_its_account(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await each_look_bears_its_account(clinic)


@pytest.mark.control("164.312(a)(2)(i)", "accounts", off="one account that everybody shares")
async def test_accounts_switched_off_are_noticed(tmp_path: Path, database_url: str) -> None:
    def shared(platform: Platform) -> Platform:
        return replace(platform, tokens=Everybody())

    async with open_clinic(tmp_path, database_url, platform=shared) as clinic:
        with pytest.raises(AssertionError, match=r"read.*!= .'denied', 'berta'"):
            await each_look_bears_its_account(clinic)


# --- 164.312(a)(2)(ii): emergencies --------------------------------------------------------


async def an_emergency_opens_for_a_while_and_says_so(clinic: Clinic) -> None:
    assert await clinic.status(ANALYSIS, DORA) == 404
    for body in (
        {"user_id": ANNA},
        EMERGENCY | {"reason": "curious"},
        EMERGENCY | {"minutes": 241},
    ):
        assert (await clinic.ask("POST", GLASS, DORA, json=body))[0] == 422
    assert (await clinic.ask("POST", GLASS, DORA, json=EMERGENCY))[0] == 201
    assert await clinic.status(ANALYSIS, DORA) == 200
    told = [fact for fact in await clinic.said() if isinstance(fact, e.AccessOverridden)]
    assert [(f.actor_id, f.user_id, f.reason) for f in told] == [
        ("dora", ANNA, "emergency_treatment")
    ]
    assert told[0].expires_at < datetime.now(UTC) + timedelta(hours=4, seconds=1)
    await clinic.platform.pool.execute("update access_override set expires_at = now()")
    assert await clinic.status(ANALYSIS, DORA) == 404


@pytest.mark.control("164.312(a)(2)(ii)", "glass")
async def test_an_emergency_opens_for_a_while_and_says_so(
    tmp_path: Path, database_url: str
) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await an_emergency_opens_for_a_while_and_says_so(clinic)


@pytest.mark.control("164.312(a)(2)(ii)", "glass", off="no route that breaks the glass")
async def test_no_emergency_is_noticed(tmp_path: Path, database_url: str) -> None:
    def without(_: Platform, service: Service) -> Service:
        return replace(service, routes=[r for r in service.routes if r.path != GLASS])

    async with open_clinic(tmp_path, database_url, service=without) as clinic:
        with pytest.raises(AssertionError, match="404 == 422"):
            await an_emergency_opens_for_a_while_and_says_so(clinic)


@pytest.mark.control("164.312(a)(2)(ii)", "glass", off="an outbox that writes nothing")
async def test_an_emergency_that_nobody_hears_of_is_noticed(
    tmp_path: Path, database_url: str
) -> None:
    async with open_clinic(tmp_path, database_url, platform=forgets) as clinic:
        with pytest.raises(AssertionError, match=r"\[\] == "):
            await an_emergency_opens_for_a_while_and_says_so(clinic)


class Remembering(Access):
    """Lets in for ever whom it has let in once."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._known: dict[tuple[str, str | None], Basis] = {}

    async def basis(self, principal: Principal, user_id: str | None, scope: Any) -> Basis | None:
        found = await super().basis(principal, user_id, scope)
        if found:
            self._known[principal.user_id, user_id] = found
        return self._known.get((principal.user_id, user_id))


@pytest.mark.control("164.312(a)(2)(ii)", "glass", off="an access that remembers, and does not end")
async def test_an_emergency_without_end_is_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=showing(Remembering)) as clinic:
        with pytest.raises(AssertionError, match="200 == 404"):
            await an_emergency_opens_for_a_while_and_says_so(clinic)


AWAY = {"oidc": OidcSettings(issuer="https://idp.example", jwks_url="http://127.0.0.1:1/keys")}


@pytest.mark.control("164.312(a)(2)(ii)", "provider-away")
async def test_an_emergency_needs_no_identity_provider(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, settings=AWAY) as clinic:
        await an_emergency_opens_for_a_while_and_says_so(clinic)


@pytest.mark.control(
    "164.312(a)(2)(ii)", "provider-away", off="a platform that does not know the local issuer"
)
async def test_an_emergency_without_any_issuer_is_noticed(
    tmp_path: Path, database_url: str
) -> None:
    stranger = {"token_public_key": generate_key_pair()[1].decode()}
    async with open_clinic(tmp_path, database_url, settings=AWAY | stranger) as clinic:
        with pytest.raises(AssertionError, match="503 == 404"):
            await an_emergency_opens_for_a_while_and_says_so(clinic)


# --- 164.312(a)(2)(iii): logoff ------------------------------------------------------------


async def signed_in(clinic: Clinic) -> dict[str, dict[str, str]]:
    """Follow a link into a browser session; what a browser sends from then on."""
    link = await clinic.client.post(
        "/api/v1/sessions", json={"path": "/"}, headers=clinic.bearer(ANNA, "patient")
    )
    path = (await link.json())["url_path"]
    followed = await clinic.client.get(path, allow_redirects=False)
    clinic.client.session.cookie_jar.clear()
    return {"headers": {"Cookie": followed.headers["Set-Cookie"].split(";")[0]}}


async def an_unused_session_ends(clinic: Clinic) -> None:
    browser = await signed_in(clinic)
    assert await clinic.status("/api/v1/sessions", **browser) == 200
    await clinic.platform.pool.execute("update session set used_at = now() - interval '31 min'")
    assert await clinic.status("/api/v1/sessions", **browser) == 401


@pytest.mark.control("164.312(a)(2)(iii)", "idle")
async def test_an_unused_session_ends(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await an_unused_session_ends(clinic)


@pytest.mark.control("164.312(a)(2)(iii)", "idle", off="sessions that may lie unused for ten years")
async def test_sessions_that_never_end_are_noticed(tmp_path: Path, database_url: str) -> None:
    def endless(platform: Platform, service: Service) -> Service:
        return replace(service, session=Sessions(platform.pool, timedelta(days=3650)).token_of)

    async with open_clinic(tmp_path, database_url, service=endless) as clinic:
        with pytest.raises(AssertionError, match="200 == 401"):
            await an_unused_session_ends(clinic)


async def signing_out_ends_the_session(clinic: Clinic) -> None:
    browser = await signed_in(clinic)
    assert await clinic.status("/sign-out", **browser) == 200
    clinic.client.session.cookie_jar.clear()
    assert await clinic.status("/api/v1/sessions", **browser) == 401


@pytest.mark.control("164.312(a)(2)(iii)", "sign-out")
async def test_signing_out_ends_the_session(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await signing_out_ends_the_session(clinic)


class Lasting(Sessions):
    """Ends no session, though it is told to: at most the browser's cookie is deleted."""

    async def end(self, code: str) -> None:
        return None

    async def end_all(self, user_id: str) -> int:
        return 0


def lasting(platform: Platform, service: Service) -> Service:
    routes = SignIn(platform, Lasting(platform.pool, timedelta(minutes=30))).routes()
    return replace(service, routes=instead(service.routes, routes))


@pytest.mark.control(
    "164.312(a)(2)(iii)", "sign-out", off="a sign-out that deletes the cookie alone"
)
async def test_a_sign_out_without_effect_is_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=lasting) as clinic:
        with pytest.raises(AssertionError, match="200 == 401"):
            await signing_out_ends_the_session(clinic)


async def an_account_ends_all_its_sessions(clinic: Clinic) -> None:
    browsers = [await signed_in(clinic) for _ in range(2)]
    assert [await clinic.status("/api/v1/sessions", **each) for each in browsers] == [200, 200]
    assert (await clinic.ask("DELETE", "/api/v1/sessions", (ANNA, "patient")))[0] == 200
    assert [await clinic.status("/api/v1/sessions", **each) for each in browsers] == [401, 401]


@pytest.mark.control("164.312(a)(2)(iii)", "all-sessions")
async def test_an_account_ends_all_its_sessions(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url) as clinic:
        await an_account_ends_all_its_sessions(clinic)


@pytest.mark.control("164.312(a)(2)(iii)", "all-sessions", off="an answer that ends nothing")
async def test_sessions_that_are_not_ended_are_noticed(tmp_path: Path, database_url: str) -> None:
    async with open_clinic(tmp_path, database_url, service=lasting) as clinic:
        with pytest.raises(AssertionError, match=r"\[200, 200\] == \[401, 401\]"):
            await an_account_ends_all_its_sessions(clinic)
