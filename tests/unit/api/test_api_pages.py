# SPDX-License-Identifier: Apache-2.0
"""Pages and one-time links, as a browser sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import api_facts as say
import pytest

from memoryguard.common.contracts import events as e

if TYPE_CHECKING:
    from conftest import Api, Client

PAGE = f"/imaging/{say.SCAN}"
FORBIDDEN = re.compile(r"\b(has|will|suffers?|patient has|atrophied|diagnosed with)\b", re.I)


class Reader(HTMLParser):
    """Text and tags of a page; fails when tags do not match."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


async def read(client: Client, path: str, headers: dict[str, str]) -> Reader:
    response = await client.get(path, headers=headers)
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return Reader(await response.text())


async def link(api: Api, client: Client, path: object = PAGE) -> str:
    response = await client.post(
        "/api/v1/sessions", json={"path": path}, headers=api.bearer(say.ANNA)
    )
    assert response.status == 201
    return (await response.json())["url_path"]


async def hear_all(api: Api) -> None:
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(), 10),
        say.at(say.scored(say.change()), 11),
        say.at(say.predicted(), 12),
        say.at(say.health({"moca": 28.0}), 1),
    )


async def test_a_result_is_written_out(api: Api, client: Client) -> None:
    await hear_all(api)
    page = await read(client, PAGE, api.bearer(say.ANNA))
    for words in (
        "not a medical device",
        "6.00 ± 0.13 mL",
        "−2.4",
        "below 1 (below 1 to 2)",
        "Hippocampi, both: moderately low for age.",
        "A region beside it is uncertain and may lie further out.",
        "engine does not measure it",
        "−3.1 %",
        "−4.8 % to −1.4 %",
        "no retest figure",
        "MoCA, points",
        "−15.0 points",
        "20 to 41 %",
        "A small hippocampus raises the similarity.",
        "mean over 99 drawn people",
        "imaging +12.0 points",
        "Cognitively normal 28 %",
        "APOE ε4 alleles (not reported)",
        "Ringing near the edge",
        "headframe 0.1.0",
        "ab" * 32,
        "cd" * 32,
        "potvin_2016_2017 2",
        "The hippocampi together: moderately low volume for age.",
        "2.31 ± 0.05 mm",
        "2.42 mm",
        "synthetic",
    ):
        assert words in page.text, words
    assert not FORBIDDEN.search(page.text)


async def test_a_page_can_be_read_without_eyes_and_scripts(api: Api, client: Client) -> None:
    await hear_all(api)
    page = await read(client, PAGE, api.bearer(say.ANNA))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert tags.count("table") == tags.count("caption")
    assert "script" not in tags
    assert all(a.get("aria-label") for tag, a in page.tags if tag == "svg")
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert all("style" not in a for _, a in page.tags)
    assert dict(page.tags)["html"] == {"lang": "en"}


async def test_text_from_events_is_escaped(api: Api, client: Client) -> None:
    nasty = e.Quality(
        verdict="refused", reasons=(e.Reason(code="x", message="<script>alert(1)</script>"),)
    )
    refused = say.refused().model_copy(update={"quality": nasty})
    await api.hear(say.at(say.received(), 0), say.at(refused, 1))
    page = await read(client, PAGE, api.bearer(say.ANNA))
    assert "<script>alert(1)</script>" in page.text  # as text
    assert "script" not in [tag for tag, _ in page.tags]


async def test_a_refused_scan_says_why(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.refused(), 1))
    page = await read(client, PAGE, api.bearer(say.ANNA))
    assert "No result for this scan" in page.text
    assert "No head is in it" in page.text
    assert "mL" not in page.text


async def test_a_withheld_answer_says_why(api: Api, client: Client) -> None:
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(), 1),
        say.at(say.scored(), 2),
        say.at(say.withheld(), 3),
    )
    page = await read(client, PAGE, api.bearer(say.ANNA))
    assert "The model gives no answer: The age is missing" in page.text
    assert "None to tell: fewer than two scans" in page.text


async def test_a_scan_in_work_shows_progress_and_follows_live(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.extracted(), 1))
    page = await read(client, PAGE, api.bearer(say.ANNA))
    assert "Status: processing" in page.text
    (progress,) = [a for _, a in page.tags if a.get("id") == "progress"]
    assert progress["data-events"] == f"/api/v1/imaging/{say.SCAN}/events"
    reached = [a["data-stage"] for _, a in page.tags if a.get("class") == "reached"]
    assert reached == ["received", "measured"]


async def test_home_lists_what_may_be_seen_and_records_each_person(
    api: Api, client: Client
) -> None:
    await hear_all(api)
    other = say.received(user_id="berta", scan_id="other", subject_id="6" * 32)
    await api.hear(say.at(other, 50))
    mine = await read(client, "/", api.bearer(say.ANNA))
    assert say.SCAN in mine.text
    assert "other" not in mine.text
    everyones = await read(client, "/", api.bearer("dora", "clinician"))
    assert say.SCAN in everyones.text
    assert "other" in everyones.text
    looks = {f.subject_id for f in await api.said() if getattr(f, "actor_id", "") == "dora"}
    assert {say.SUBJECT, "6" * 32} <= looks
    nothing = await read(client, "/", api.bearer("carl", "caregiver"))
    assert "There is no scan for you to see yet" in nothing.text


async def test_home_of_a_caregiver_follows_the_grant(api: Api, client: Client) -> None:
    await hear_all(api)
    granted = e.AccessGranted(
        subject_id=say.SUBJECT, user_id=say.ANNA, grantee_id="carl", actor_id=say.ANNA
    )
    revoked = e.AccessRevoked(**granted.model_dump(exclude={"scopes", "expires_at"}))
    await api.hear(say.at(granted, 20))
    assert say.SCAN in (await read(client, "/", api.bearer("carl", "caregiver"))).text
    assert say.SCAN not in (await read(client, "/", api.bearer("carl", "patient"))).text
    await api.hear(say.at(revoked, 21))
    assert say.SCAN not in (await read(client, "/", api.bearer("carl", "caregiver"))).text


@pytest.mark.parametrize("path", ["/", PAGE])
async def test_without_a_session_a_page_says_how_to_get_one(
    api: Api, client: Client, path: str
) -> None:
    await hear_all(api)
    response = await client.get(path)
    assert response.status == 401
    assert "one-time link" in Reader(await response.text()).text
    denied = (await api.said())[-1]
    assert isinstance(denied, e.AccessDenied)
    assert denied.actor_id == "anonymous"


async def test_somebody_elses_page_is_not_there(api: Api, client: Client) -> None:
    await hear_all(api)
    response = await client.get(PAGE, headers=api.bearer("berta"))
    assert response.status == 404
    assert "6.00" not in await response.text()
    denied = (await api.said())[-1]
    assert isinstance(denied, e.AccessDenied)
    assert (denied.actor_id, denied.scan_id) == ("berta", say.SCAN)


async def test_another_role_is_told_so(api: Api, client: Client) -> None:
    response = await client.get("/", headers=api.bearer("olga", "compliance"))
    assert response.status == 403
    assert "Your role may not do this" in (await response.text()).replace("your", "Your")


async def test_a_link_opens_a_session_once(api: Api, client: Client) -> None:
    await hear_all(api)
    url = await link(api, client)
    first = await client.get(url, allow_redirects=False)
    assert first.status == 303
    assert first.headers["Location"] == PAGE
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    session = {"Cookie": cookie.split(";")[0]}
    client.session.cookie_jar.clear()
    assert "6.00" in (await read(client, PAGE, session)).text
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
        assert (await client.get("/", headers=session)).status == 200
    await api.platform.pool.execute("update session set used_at = now() - interval '30 min'")
    refused = await client.get("/", headers=session)
    assert refused.status == 401
    assert "Please sign in" in await refused.text()
    assert (await api.said())[-1].model_dump()["code"] == "invalid_token"


@pytest.mark.control("164.312(a)(2)(iii)", "sign-out")
async def test_signing_out_ends_the_session_and_not_only_the_cookie(
    api: Api, client: Client
) -> None:
    session, other = [await signed_in(api, client) for _ in range(2)]
    page = await client.get("/sign-out", headers=session)
    assert page.status == 200
    assert 'memoryguard_session=""' in page.headers["Set-Cookie"]
    assert (await client.get("/", headers=session)).status == 401
    assert (await client.get("/", headers=other)).status == 200


@pytest.mark.control("164.312(a)(2)(iii)", "all-sessions")
async def test_an_account_ends_all_its_sessions_and_links(api: Api, client: Client) -> None:
    sessions = [await signed_in(api, client) for _ in range(2)]
    unused = await link(api, client, "/")
    for who, ended in (("berta", 0), (say.ANNA, 2), (say.ANNA, 0)):
        response = await client.delete("/api/v1/sessions", headers=api.bearer(who))
        assert (await response.json()) == {"ended": ended}
    assert [(await client.get("/", headers=each)).status for each in sessions] == [401, 401]
    assert (await client.get(unused, allow_redirects=False)).status == 404


async def test_the_cookie_is_no_token_and_the_table_of_sessions_opens_nothing(
    api: Api, client: Client
) -> None:
    session = await signed_in(api, client)
    code = session["Cookie"].split("=", 1)[1]
    bearer = {"Authorization": f"Bearer {code}"}
    assert (await client.get("/", headers=bearer)).status == 401
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


@pytest.mark.parametrize("name", ["page.css", "live.js", "icon.svg"])
async def test_what_pages_are_drawn_with_is_served(client: Client, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["..%2Fservice.py", "none.css"])
async def test_nothing_else_is_served(client: Client, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status >= 400


async def test_without_a_provider_nobody_is_sent_to_one(client: Client) -> None:
    assert await (await client.get("/api/v1/sign-in")).json() == {"oidc": None}
    for path in ("/sign-in/oidc", "/sign-in/callback?code=x&state=y"):
        response = await client.get(path, allow_redirects=False)
        assert (response.status, response.content_type) == (404, "text/html")
