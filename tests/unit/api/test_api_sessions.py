# SPDX-License-Identifier: Apache-2.0
"""One-time links, sessions and what is served to everybody, as a browser sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import api_facts as say
import pytest

if TYPE_CHECKING:
    from conftest import Api, Client

PAGE = f"/imaging/{say.SCAN}"
ME = "/api/v1/sessions"
"""Says who is signed in: 401 without a session that lives."""


async def link(api: Api, client: Client, path: object = PAGE) -> str:
    response = await client.post(
        "/api/v1/sessions", json={"path": path}, headers=api.bearer(say.ANNA)
    )
    assert response.status == 201
    return (await response.json())["url_path"]


async def test_a_link_opens_a_session_once(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    url = await link(api, client)
    first = await client.get(url, allow_redirects=False)
    assert first.status == 303
    assert first.headers["Location"] == PAGE
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    session = {"Cookie": cookie.split(";")[0]}
    client.session.cookie_jar.clear()
    me = await client.get(ME, headers=session)
    assert (await me.json())["user_id"] == say.ANNA
    status = await client.get(f"/api/v1/imaging/{say.SCAN}/status", headers=session)
    assert status.status == 200
    client.session.cookie_jar.clear()
    second = await client.get(url, allow_redirects=False)
    assert second.status == 404
    assert "Set-Cookie" not in second.headers
    assert "does not work any more" in await second.text()
    told = [
        (fact.type.split(".")[2], fact.model_dump().get("actor_id")) for fact in await api.said()
    ]
    assert told == [
        ("read", say.ANNA),  # made the link, and
        ("read", say.ANNA),  # followed it
        ("read", say.ANNA),
        ("read", say.ANNA),
        ("denied", "anonymous"),
    ]


async def test_a_session_reads_and_changes_nothing(api: Api, client: Client) -> None:
    response = await client.get(await link(api, client, "/"), allow_redirects=False)
    session = {"Cookie": response.headers["Set-Cookie"].split(";")[0]}
    client.session.cookie_jar.clear()
    grant = await client.post("/api/v1/access/grants", json={"grantee_id": "carl"}, headers=session)
    assert grant.status == 401


async def signed_in(api: Api, client: Client) -> dict[str, str]:
    response = await client.get(await link(api, client, "/"), allow_redirects=False)
    client.session.cookie_jar.clear()
    return {"Cookie": response.headers["Set-Cookie"].split(";")[0]}


@pytest.mark.control("164.312(a)(2)(iii)", "idle")
async def test_a_session_ends_when_it_is_not_used(api: Api, client: Client) -> None:
    session = await signed_in(api, client)
    for _ in range(3):  # each use begins the half hour anew
        await api.platform.pool.execute("update session set used_at = now() - interval '29 min'")
        assert (await client.get(ME, headers=session)).status == 200
    await api.platform.pool.execute("update session set used_at = now() - interval '30 min'")
    refused = await client.get(ME, headers=session)
    assert refused.status == 401
    assert (await api.said())[-1].model_dump()["code"] == "invalid_token"


@pytest.mark.control("164.312(a)(2)(iii)", "sign-out")
async def test_signing_out_ends_the_session_and_not_only_the_cookie(
    api: Api, client: Client
) -> None:
    session, other = [await signed_in(api, client) for _ in range(2)]
    page = await client.get("/sign-out", headers=session)
    assert page.status == 200
    assert 'memoryguard_session=""' in page.headers["Set-Cookie"]
    assert (await client.get(ME, headers=session)).status == 401
    assert (await client.get(ME, headers=other)).status == 200


@pytest.mark.control("164.312(a)(2)(iii)", "all-sessions")
async def test_an_account_ends_all_its_sessions_and_links(api: Api, client: Client) -> None:
    sessions = [await signed_in(api, client) for _ in range(2)]
    unused = await link(api, client, "/")
    for who, ended in (("berta", 0), (say.ANNA, 2), (say.ANNA, 0)):
        response = await client.delete("/api/v1/sessions", headers=api.bearer(who))
        assert (await response.json()) == {"ended": ended}
    assert [(await client.get(ME, headers=each)).status for each in sessions] == [401, 401]
    assert (await client.get(unused, allow_redirects=False)).status == 404


async def test_the_cookie_is_no_token_and_the_table_of_sessions_opens_nothing(
    api: Api, client: Client
) -> None:
    session = await signed_in(api, client)
    code = session["Cookie"].split("=", 1)[1]
    bearer = {"Authorization": f"Bearer {code}"}
    assert (await client.get(ME, headers=bearer)).status == 401
    (row,) = await api.platform.pool.fetch("select * from session")
    stored = repr(tuple(row.values())).encode() + row["sealed"]
    assert code.encode() not in stored
    assert b"eyJ" not in stored, "no token"


async def test_a_link_runs_out(api: Api, client: Client) -> None:
    url = await link(api, client)
    await api.platform.pool.execute(
        "update session_link set expires_at = $1", datetime.now(UTC) - timedelta(seconds=1)
    )
    assert (await client.get(url, allow_redirects=False)).status == 404


async def test_the_table_of_links_opens_nothing(api: Api, client: Client) -> None:
    url = await link(api, client)
    (row,) = await api.platform.pool.fetch("select * from session_link")
    stored = b"".join(repr(value).encode() for value in row.values()) + row["sealed"]
    assert url.removeprefix("/s/").encode() not in stored
    assert b"eyJ" not in stored  # how every JWT begins


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "", "/\\evil", "/a\r\nX: y", 7, "imaging"]
)
async def test_a_link_never_leads_elsewhere(api: Api, client: Client, path: object) -> None:
    response = await client.post(
        "/api/v1/sessions", json={"path": path}, headers=api.bearer(say.ANNA)
    )
    assert (response.status, (await response.json())["code"]) == (422, "bad_path")


async def test_a_page_gets_its_token_and_nobody_elses_page_does(api: Api, client: Client) -> None:
    session = await signed_in(api, client)
    response = await client.get(ME, headers=session)
    document = await response.json()
    assert (document["user_id"], document["roles"]) == (say.ANNA, ["patient"])
    assert document["idle_minutes"] == 30
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in response.headers
    bearer = {"Authorization": f"Bearer {document['token']}"}
    assert (await client.get(ME, headers=bearer)).status == 200


@pytest.mark.parametrize("path", ["/", "/imaging", PAGE])
async def test_every_page_is_the_application_or_says_how_to_build_it(
    api: Api, client: Client, path: str
) -> None:
    response = await client.get(path)
    built = (files("memoryguard.api") / "app" / "index.html").is_file()
    text = await response.text()
    assert response.status == (200 if built else 404)
    assert ("/assets/" if built else "npm ci") in text
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert await api.said() == [], "it tells nothing about anybody"


@pytest.mark.parametrize("name", ["page.css", "icon.svg"])
async def test_what_pages_are_drawn_with_is_served(client: Client, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/..%2Fservice.py", "/static/none.css", "/assets/none.js"])
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert (await client.get(path)).status >= 400


async def test_without_a_provider_nobody_is_sent_to_one(client: Client) -> None:
    assert await (await client.get("/api/v1/sign-in")).json() == {"oidc": None}
    for path in ("/sign-in/oidc", "/sign-in/callback?code=x&state=y"):
        response = await client.get(path, allow_redirects=False)
        assert (response.status, response.content_type) == (404, "text/html")
