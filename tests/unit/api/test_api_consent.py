# SPDX-License-Identifier: Apache-2.0
"""Consent has two sides, two scopes and an end; what is taken back is gone at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
import pytest_asyncio

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import decode
from memoryguard.common.contracts.flow import FACTS

if TYPE_CHECKING:
    from conftest import Api, Client

GRANTS, INVITATIONS = "/api/v1/access/grants", "/api/v1/access/invitations"
STATUS = {
    f"/api/v1/imaging/{say.SCAN}/status",
    f"/api/v1/imaging/{say.SCAN}/events",
    f"/api/v1/imaging/user/{say.ANNA}",
}
RESULTS = {
    f"/api/v1/imaging/{say.SCAN}/analysis",
    f"/api/v1/imaging/{say.SCAN}/picture",
}


@pytest_asyncio.fixture(autouse=True)
async def hurried(stopping: asyncio.Event) -> None:
    """Streams end at once, as when the server drains: nobody waits for a scan to appear."""
    stopping.set()


async def hear_all(api: Api) -> None:
    picture = await api.platform.objects.put("derived/x/picture.png", say.SUBJECT, say.PNG)
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(picture=picture), 10),
        say.at(say.scored(), 11),
        say.at(say.predicted(), 12),
    )


async def ask(
    api: Api, client: Client, who: tuple[str, str], method: str, path: str, **body: Any
) -> tuple[int, Mapping[str, Any]]:
    options = {"json": body} if method == "POST" else {}
    response = await client.request(method, path, headers=api.bearer(*who), **options)
    return response.status, await response.json()


async def invite(api: Api, client: Client, **body: Any) -> Mapping[str, Any]:
    status, told = await ask(api, client, (say.ANNA, "patient"), "POST", INVITATIONS, **body)
    assert status == 201
    return told


async def accept(api: Api, client: Client, who: str = "carl", **body: Any) -> int:
    return (await ask(api, client, (who, "caregiver"), "POST", GRANTS, **body))[0]


async def seen_by(api: Api, client: Client, user: str, role: str = "caregiver") -> set[str]:
    """The paths that somebody gets an answer from; never anything but 200 and 404."""

    async def look(path: str) -> tuple[str, int]:
        async with client.get(path, headers=api.bearer(user, role)) as response:
            await response.read()
            return path, response.status

    answers = dict(await asyncio.gather(*map(look, sorted(STATUS | RESULTS))))
    assert set(answers.values()) <= {200, 404}
    return {path for path, status in answers.items() if status == 200}


async def test_an_invitation_alone_opens_nothing(api: Api, client: Client) -> None:
    await hear_all(api)
    await invite(api, client, grantee_id="carl")
    assert await seen_by(api, client, "carl") == set()


@pytest.mark.control("164.312(a)(1)", "people")
async def test_what_is_accepted_opens_and_what_is_revoked_closes_at_once(
    api: Api, client: Client
) -> None:
    """No event comes back to the api here: the answer alone must be true."""
    await hear_all(api)
    await invite(api, client, grantee_id="carl")
    assert await accept(api, client, user_id=say.ANNA) == 200
    assert await seen_by(api, client, "carl") == STATUS | RESULTS
    assert await seen_by(api, client, "dora") == set()
    # a grant is for caregivers: the same account as a patient sees only its own
    assert await seen_by(api, client, "carl", "patient") == set()
    anna = (say.ANNA, "patient")
    status, told = await ask(api, client, anna, "DELETE", f"{GRANTS}/carl")
    assert (status, told["granted"]) == (200, False)
    assert await seen_by(api, client, "carl") == set()
    assert await accept(api, client, user_id=say.ANNA) == 404, "the invitation is used up"
    assert await seen_by(api, client, "carl") == set()


async def test_accepting_while_it_is_revoked_leaves_nothing_open(api: Api, client: Client) -> None:
    anna, carl = (say.ANNA, "patient"), ("carl", "caregiver")
    ended: set[int] = set()
    for turn in range(30):
        await invite(api, client, grantee_id="carl")
        accepting = ask(api, client, carl, "POST", GRANTS, user_id=say.ANNA)
        revoking = ask(api, client, anna, "DELETE", f"{GRANTS}/carl")
        both = [accepting, revoking] if turn % 2 else [revoking, accepting]
        answers = await asyncio.gather(*both)
        ended |= {status for status, _ in answers}
        _, listed = await ask(api, client, anna, "GET", GRANTS)
        assert listed["items"] == []
    assert ended <= {200, 404}


async def test_a_code_opens_for_whoever_has_it_once(api: Api, client: Client) -> None:
    await hear_all(api)
    code = (await invite(api, client))["code"]
    assert await accept(api, client, code=code + "x") == 404
    assert await accept(api, client, code=code) == 200
    assert await accept(api, client, who="mallory", code=code) == 404
    assert await seen_by(api, client, "carl") == STATUS | RESULTS
    assert await seen_by(api, client, "mallory") == set()
    stored = await api.platform.pool.fetch("select * from access_invitation")
    assert code not in repr(stored)


async def test_accepting_again_says_the_same_and_records_nothing_new(
    api: Api, client: Client
) -> None:
    code = (await invite(api, client))["code"]
    answers = [
        await ask(api, client, ("carl", "caregiver"), "POST", GRANTS, code=code) for _ in range(2)
    ]
    assert answers[0] == answers[1]
    granted = [fact for fact in await api.said() if isinstance(fact, e.AccessGranted)]
    assert len(granted) == 1


@pytest.mark.control("164.514(d)", "scopes")
@pytest.mark.parametrize(("scopes", "open_paths"), [(["status"], STATUS), (["results"], RESULTS)])
async def test_a_scope_opens_what_it_names(
    api: Api, client: Client, scopes: list[str], open_paths: set[str]
) -> None:
    await hear_all(api)
    await invite(api, client, grantee_id="carl", scopes=scopes)
    await accept(api, client, user_id=say.ANNA)
    assert await seen_by(api, client, "carl") == open_paths


@pytest.mark.control("164.514(d)", "scopes")
async def test_a_list_for_status_alone_holds_no_number(api: Api, client: Client) -> None:
    await hear_all(api)
    path = f"/api/v1/imaging/user/{say.ANNA}"
    anna, carl = (say.ANNA, "patient"), ("carl", "caregiver")
    await invite(api, client, grantee_id="carl", scopes=["status"])
    await accept(api, client, user_id=say.ANNA)
    _, hers = await ask(api, client, anna, "GET", path)
    _, his = await ask(api, client, carl, "GET", path)
    assert hers["items"][0]["total_brain_volume"] == 1_050_000.0
    assert "total_brain_volume" not in his["items"][0]
    assert his["items"][0]["status"] == "completed"
    home = await client.get("/api/v1/imaging", headers=api.bearer(*carl))
    assert say.SCAN not in await home.text()


async def test_a_grant_ends_by_itself(api: Api, client: Client) -> None:
    await hear_all(api)
    end = datetime.now(UTC) + timedelta(days=3)
    await invite(api, client, grantee_id="carl", expires_at=end.isoformat())
    await accept(api, client, user_id=say.ANNA)
    _, listed = await ask(api, client, (say.ANNA, "patient"), "GET", GRANTS)
    assert listed["items"] == [
        {"grantee_id": "carl", "scopes": ["results", "status"], "expires_at": end.isoformat()}
    ]
    await api.platform.pool.execute(
        "update access_grant set expires_at = now() - interval '1 second'"
    )
    assert await seen_by(api, client, "carl") == set()
    home = await client.get("/api/v1/imaging", headers=api.bearer("carl", "caregiver"))
    assert say.SCAN not in await home.text()
    _, listed = await ask(api, client, (say.ANNA, "patient"), "GET", GRANTS)
    assert listed["items"] == []


async def test_an_invitation_ends_by_itself_and_can_be_withdrawn(api: Api, client: Client) -> None:
    named = await invite(api, client, grantee_id="carl")
    coded = await invite(api, client)
    anna = (say.ANNA, "patient")
    _, listed = await ask(api, client, anna, "GET", GRANTS)
    assert {each["invitation_id"] for each in listed["invitations"]} == {
        named["invitation_id"],
        coded["invitation_id"],
    }
    _, his = await ask(api, client, ("carl", "caregiver"), "GET", GRANTS)
    assert [each["user_id"] for each in his["invited_by"]] == [say.ANNA]
    path = f"{INVITATIONS}/{coded['invitation_id']}"
    assert (await ask(api, client, ("berta", "patient"), "DELETE", path))[0] == 404
    assert (await ask(api, client, anna, "DELETE", path))[0] == 200
    assert (await ask(api, client, anna, "DELETE", f"{INVITATIONS}/x"))[0] == 404
    assert await accept(api, client, code=coded["code"]) == 404
    await api.platform.pool.execute("update access_invitation set expires_at = now()")
    assert await accept(api, client, user_id=say.ANNA) == 404


async def test_nobody_accepts_what_was_offered_to_another(api: Api, client: Client) -> None:
    await invite(api, client, grantee_id="carl")
    assert await accept(api, client, who="mallory", user_id=say.ANNA) == 404
    anna = (say.ANNA, "caregiver")
    code = (await invite(api, client))["code"]
    status, told = await ask(api, client, anna, "POST", GRANTS, code=code)
    assert (status, told["code"]) == (422, "own_account")


async def test_a_watcher_hears_nothing_after_the_revocation(
    api: Api, client: Client, stopping: asyncio.Event
) -> None:
    stopping.clear()
    await api.hear(say.at(say.received(), 0))
    await invite(api, client, grantee_id="carl", scopes=["status"])
    await accept(api, client, user_id=say.ANNA)
    path = f"/api/v1/imaging/{say.SCAN}/events"
    async with client.get(path, headers=api.bearer("carl", "caregiver")) as stream:
        assert await stream.content.readline() == b"event: status\n"
        assert (await stream.content.readline()).startswith(b"data: ")
        await ask(api, client, (say.ANNA, "patient"), "DELETE", f"{GRANTS}/carl")
        await api.hear(say.at(say.extracted(), 10))
        async with asyncio.timeout(10):
            assert (await stream.content.read()).strip() == b""


async def test_it_is_said_under_the_persons_pseudonym(api: Api, client: Client) -> None:
    told = await invite(api, client, grantee_id="carl", scopes=["status"])
    await accept(api, client, user_id=say.ANNA)
    await ask(api, client, (say.ANNA, "patient"), "DELETE", f"{GRANTS}/carl")
    subject = api.platform.vault.user_subject_id(say.ANNA)
    facts = [fact for fact in await api.said() if not isinstance(fact, e.AccessRead)]
    about: dict[str, Any] = {"subject_id": subject, "user_id": say.ANNA, "grantee_id": "carl"}
    assert facts == [
        e.AccessInvited(
            **about, actor_id=say.ANNA, scopes=("status",), expires_at=told["accept_until"]
        ),
        e.AccessGranted(
            **about, actor_id="carl", scopes=("status",), expires_at=told["grant_expires_at"]
        ),
        e.AccessRevoked(**about, actor_id=say.ANNA),
    ]
    reads = [fact for fact in await api.said() if isinstance(fact, e.AccessRead)]
    assert [(r.action, r.actor_id, r.user_id) for r in reads] == [
        ("access.invite", say.ANNA, say.ANNA),
        ("access.accept", "carl", say.ANNA),
        ("access.revoke", say.ANNA, say.ANNA),
    ]


async def test_hearing_it_again_changes_nothing_and_an_empty_database_catches_up(
    api: Api, client: Client
) -> None:
    for _ in range(2):
        await invite(api, client, grantee_id="carl")
        await accept(api, client, user_id=say.ANNA)
        await ask(api, client, (say.ANNA, "patient"), "DELETE", f"{GRANTS}/carl")
    await invite(api, client, grantee_id="carl")
    await accept(api, client, user_id=say.ANNA)
    rows = await api.platform.pool.fetch("select * from access_grant")
    bodies = await api.platform.pool.fetch("select body from outbox order by position")
    events = [decode(row["body"], FACTS) for row in bodies]
    consents = [x for x in events if isinstance(x.data, e.AccessGranted | e.AccessRevoked)]
    assert len(consents) == 5
    for event in (*consents, *reversed(consents)):
        await api.hear(event)
        assert await api.platform.pool.fetch("select * from access_grant") == rows
    await api.platform.pool.execute("delete from access_grant")
    for event in reversed(consents):
        await api.hear(event)
    assert await api.platform.pool.fetch("select * from access_grant") == rows


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"[1]", "bad_json"),
        (b"\xff", "bad_json"),
        (b'{"grantee_id": ""}', "bad_invitation"),
        (b'{"grantee_id": 7}', "bad_invitation"),
        (b'{"grantee_id": "a\\u0000b"}', "bad_invitation"),
        (b'{"grantee_id": "\\ud800"}', "bad_invitation"),
        (b'{"scopes": []}', "bad_invitation"),
        (b'{"scopes": ["everything"]}', "bad_invitation"),
        (b'{"scopes": "status"}', "bad_invitation"),
        (b'{"expires_at": "2020-01-01T00:00:00Z"}', "bad_invitation"),
        (b'{"expires_at": "2099-01-01T00:00:00"}', "bad_invitation"),
        (b'{"canary-7f3a": 1}', "bad_invitation"),
        (b'{"grantee_id": "anna"}', "own_account"),
    ],
)
async def test_bad_invitations_are_refused(
    api: Api, client: Client, body: bytes, code: str
) -> None:
    response = await client.post(INVITATIONS, data=body, headers=api.bearer(say.ANNA))
    assert response.status == 422
    assert (await response.json())["code"] == code
    assert "canary" not in await response.text()
    assert await api.said() == []


@pytest.mark.parametrize("body", [{}, {"code": "x", "user_id": "y"}, {"code": 5}, {"code": ""}])
async def test_bad_acceptances_are_refused(
    api: Api, client: Client, body: dict[str, object]
) -> None:
    status, told = await ask(api, client, ("carl", "caregiver"), "POST", GRANTS, **body)
    assert (status, told["code"]) == (422, "bad_acceptance")


async def test_open_invitations_are_bounded(api: Api, client: Client) -> None:
    for _ in range(50):
        await invite(api, client)
    status, told = await ask(api, client, (say.ANNA, "patient"), "POST", INVITATIONS)
    assert (status, told["code"]) == (422, "too_many_invitations")


async def test_an_erased_person_leaves_no_consent_behind(api: Api, client: Client) -> None:
    await invite(api, client, grantee_id="carl")
    await accept(api, client, user_id=say.ANNA)
    subject = api.platform.vault.user_subject_id(say.ANNA)
    await api.platform.pool.execute("insert into tombstone (subject_id) values ($1)", subject)
    await api.hear(say.at(e.ScanErased(subject_id=subject), 20))
    for table in ("access_grant", "access_invitation", "access_override"):
        assert await api.platform.pool.fetch(f"select * from {table}") == []
    status, told = await ask(api, client, (say.ANNA, "patient"), "POST", INVITATIONS)
    assert (status, told["code"]) == (422, "erased")
