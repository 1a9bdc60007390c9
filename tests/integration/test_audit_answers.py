# SPDX-License-Identifier: Apache-2.0
"""Review, ledger and holds over a real log: planted anomalies are found, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from audit_house import OFFICER, START, House, audit_house

from memoryguard.cli import answers
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts import oversight as o
from memoryguard.common.contracts.event import NOBODY, Fact
from memoryguard.common.runtime.bus import Received
from memoryguard.common.runtime.database import connect
from memoryguard.common.security.policy import Role

REVIEW, LEDGER, HOLDS = (f"/api/v1/audit/{name}" for name in ("review", "ledger", "holds"))
END = START + timedelta(hours=2)
PERIOD = {"from": START.isoformat(), "to": END.isoformat()}


@pytest_asyncio.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncGenerator[House]:
    async with audit_house(tmp_path, database_url) as house:
        yield house


async def ask(
    house: House, method: str, path: str, status: int = 200, user: str = OFFICER,
    role: Role = "compliance", **options: Any,
) -> dict[str, Any]:  # fmt: skip
    headers = house.bearer(user, role)
    async with house.client.request(method, path, headers=headers, **options) as response:
        assert response.status == status, await response.text()
        return await response.json()


def look(house: House, actor: str, user: str, **said: Any) -> e.AccessRead:
    return e.AccessRead(
        subject_id=house.subject(user), actor_id=actor, user_id=user, service="api",
        action="imaging.analysis", scan_id=f"s-{user}", **said,
    )  # fmt: skip


def refused(actor: str) -> e.AccessDenied:
    return e.AccessDenied(
        subject_id=NOBODY, actor_id=actor, action="user.erase", service="ingest", code="not_allowed"
    )


async def planted(house: House) -> None:
    """Put in a period: broken glass, a burst of refusals, and one account that looks at many."""
    cem = house.subject("cem")
    for week in range(1, 6):  # what each of seven accounts usually does: one person a period
        usual = [look(house, f"d{n}", "ann", basis="role") for n in range(7)]
        await house.log(*usual, start=START - week * (END - START) + timedelta(minutes=1))
    facts: list[Fact] = [
        e.AccessOverridden(subject_id=cem, user_id="cem", actor_id="d0", reason="safety",
                           expires_at=END),
        look(house, "d0", "cem", basis="override", purpose="ETREAT"),
        look(house, "d0", "ann", basis="role"),
        *(look(house, f"d{n}", "ann", basis="role") for n in range(1, 6)),
        *(look(house, "d6", f"p{n}", basis="role") for n in range(9)),
        *(look(house, "ann", "ann", basis="own") for _ in range(9)),  # no look at others
        o.LogExported(subject_id=NOBODY, actor_id=OFFICER, format="csv", entries=1, filters=(),
                      sha256="ab" * 32),
    ]  # fmt: skip
    await house.log(*facts)
    await house.log(
        *[refused("d1")] * 12, refused("d2"), start=START + timedelta(hours=1), step_s=30
    )
    await house.append([Received("memoryguard.odd.v1", NOBODY, b"no event", 1)])


async def test_a_review_finds_what_is_planted_and_nothing_else(house: House) -> None:
    await planted(house)
    answer = await ask(house, "GET", REVIEW, params=PERIOD)
    report = answer["report"]
    assert report["findings"] == {
        "break_glass": 1, "break_glass_reads": 1, "denials": 13, "denial_bursts": 1,
        "unusual_volumes": 1, "volumes_not_judged": 0, "deliveries": 0, "operations": 1,
    }  # fmt: skip
    (override,) = report["break_glass"]["overrides"]
    assert (override["sequence"], override["actor"], override["reason"]) == (35, "d0", "safety")
    assert report["break_glass"]["reads"]["sequences"] == [36]
    burst, single = report["denials"]
    assert (burst["actor"], burst["count"], burst["burst"]["count"]) == ("d1", 12, 12)
    assert (single["actor"], single["burst"]) == ("d2", None)
    first, *others = report["volumes"]
    assert (first["actor"], first["people"], len(first["sequences"])) == ("d6", 9, 9)
    assert first["beside_own_earlier"]["unusual"] and first["beside_peers"]["unusual"]
    assert [each["unusual"] for each in others] == [False] * 6
    assert report["incomplete"] == []


async def test_a_report_is_signed_as_it_was_read_or_not_at_all(house: House) -> None:
    await planted(house)
    answer = await ask(house, "GET", REVIEW, params=PERIOD)
    signing = PERIOD | {"report_sha256": answer["report_sha256"], "conclusion": "followed_up"}
    await ask(house, "POST", REVIEW, 201, json=signing)
    said = (await house.said())[-2].data
    assert isinstance(said, o.ReviewSigned)
    assert (said.actor_id, said.note_code, said.log_size) == (OFFICER, "followed_up", 76)
    assert said.findings == answer["report"]["findings"]
    await house.log(refused("d1"), start=END)  # behind the period: nothing changes
    await ask(house, "POST", REVIEW, 201, json=signing)
    await house.log(refused("d1"), start=START)
    outdated = await ask(house, "POST", REVIEW, 409, json=signing)
    assert outdated["code"] == "review_outdated"
    for wrong in ({"conclusion": "fine"}, {"report_sha256": "x"}, {"from": "now"}, {"x": 1}):
        assert (await ask(house, "POST", REVIEW, 422, json=signing | wrong))["code"] == "bad_json"
    for from_, to in ((END, START), (START, START + timedelta(days=9999)), (START, START)):
        period = {"from": from_.isoformat(), "to": to.isoformat()}
        assert (await ask(house, "GET", REVIEW, 422, params=period))["code"] == "bad_filter"


async def test_too_little_history_is_said_and_not_judged(house: House) -> None:
    await house.log(*[look(house, "new", f"p{n}", basis="role") for n in range(50)], step_s=1)
    report = (await ask(house, "GET", REVIEW, params=PERIOD))["report"]
    (volume,) = report["volumes"]
    assert volume["beside_own_earlier"] == {
        "unusual": None, "reason": "too_little_history", "compared_with": 0,
    }  # fmt: skip
    assert volume["beside_peers"]["reason"] == "too_few_peers"
    assert report["findings"]["volumes_not_judged"] == 1


async def test_what_has_no_time_is_reviewed_when_it_was_logged(house: House) -> None:
    await planted(house)
    now = datetime.now(UTC)
    period = {"from": (now - timedelta(minutes=9)).isoformat(), "to": now.isoformat()}
    report = (await ask(house, "GET", REVIEW, params=period))["report"]
    (unread,) = report["deliveries"]
    assert (unread["action"], unread["sequences"]) == ("unreadable", [75])


async def test_people_see_who_looked_at_their_data_and_nobody_elses(house: House) -> None:
    number = house.platform.vault.subject_id("hospital", "12345")
    linked = e.PatientLinked(
        subject_id=house.subject("ann"), user_id="ann", patient=number, actor_id="bell"
    )
    await house.log(
        look(house, "ann", "ann", basis="own", purpose="PATRQT"),
        look(house, "bell", "ann", basis="role", purpose="TREAT"),
        look(house, "bell", "cem", basis="role"),
        look(house, "bell", "ann").model_copy(update={"subject_id": number}),
        e.ScanErased(subject_id=house.subject("ann")),
    )
    mine = await ask(house, "GET", LEDGER, user="ann", role="patient")
    assert [each["sequence"] for each in mine["entries"]] == [1, 0]
    await house.log(linked)  # of nobody whom the ledger believes
    assert (await ask(house, "GET", LEDGER, user="ann", role="patient"))["patient_numbers"] == 0
    await house.log(linked, source="/memoryguard/ingest")
    mine = await ask(house, "GET", LEDGER, user="ann", role="patient", params={"limit": 2})
    assert mine["patient_numbers"] == 1 and mine["next_cursor"]
    late, bell = mine["entries"]
    assert (late["sequence"], bell["sequence"]) == (3, 1)
    assert bell == {
        "sequence": 1, "at": "2026-03-01T09:01:00Z", "what": "seen", "by": "bell",
        "by_yourself": False, "action": "imaging.analysis", "scan_id": "s-ann",
        "purpose": "TREAT", "basis": "role", "code": None, "grantee": None,
    }  # fmt: skip
    rest = await ask(
        house, "GET", LEDGER, user="ann", role="patient", params={"cursor": mine["next_cursor"]}
    )
    assert [(each["sequence"], each["by_yourself"]) for each in rest["entries"]] == [(0, True)]


async def test_reading_the_ledger_is_recorded_about_its_person(house: House) -> None:
    await ask(house, "GET", LEDGER, user="ann", role="patient")
    (read,) = await house.said()
    assert isinstance(read.data, e.AccessRead)
    assert (read.data.subject_id, read.data.basis) == (house.subject("ann"), "own")


async def test_the_commands_ask_what_an_officer_and_a_person_would(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await planted(house)
    url = str(house.client.make_url("/")).rstrip("/")
    token = house.issuer.issue(OFFICER, ["compliance"])
    asked = {"since": START.isoformat(), "until": END.isoformat(), "url": url, "token": token}
    await asyncio.to_thread(answers.review, **asked, sign="nothing_unusual", json=True)
    signed = json.loads(capsys.readouterr().out)
    assert signed["conclusion"] == "nothing_unusual" and signed["report"]["findings"]["denials"]
    token = house.issuer.issue("cem", ["patient"])
    await asyncio.to_thread(answers.ledger, url=url, token=token, json=True)
    mine = json.loads(capsys.readouterr().out)["entries"]
    assert [(each["what"], each["by"]) for each in mine] == [("seen", "d0"), ("glass_broken", "d0")]


async def test_holds_are_placed_lifted_and_said(house: House) -> None:
    ann = house.subject("ann")
    placed = await ask(house, "POST", HOLDS, 201, json={"user": "ann", "reason": "litigation"})
    assert placed["subject_id"] == ann
    everything = {"everything": True, "reason": "investigation"}
    await ask(house, "POST", HOLDS, 201, json=everything)
    path = f"{HOLDS}/{placed['hold_id']}"
    await ask(house, "DELETE", path)
    assert (await ask(house, "DELETE", path, 409))["code"] == "already_lifted"
    assert (await ask(house, "DELETE", f"{HOLDS}/x", 404))["code"] == "not_found"
    first, second = (await ask(house, "GET", HOLDS))["holds"]
    assert (first["subject_id"], first["lifted_at"]) == (None, None)
    assert (second["subject_id"], second["lifted_by"]) == (ann, OFFICER)
    facts = [event.data for event in await house.said()]
    holds = [f for f in facts if isinstance(f, o.HoldPlaced | o.HoldLifted)]
    assert [(type(f), f.held_subject_id) for f in holds] == [
        (o.HoldPlaced, ann), (o.HoldPlaced, None), (o.HoldLifted, ann),
    ]  # fmt: skip
    for wrong in ({}, {"user": "a", "everything": True}, {"subject": "ann"}, {"reason": "x"}):
        body = {"reason": "other"} | wrong
        assert (await ask(house, "POST", HOLDS, 422, json=body))["code"] == "bad_json"


async def test_a_hold_cannot_be_taken_out_of_the_log(house: House) -> None:
    await ask(house, "POST", HOLDS, 201, json={"user": "ann", "reason": "litigation"})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await house.platform.pool.execute("delete from log.hold")


QUESTIONS = {
    "checkpoint": "audit.query", "scans/s-ann": "audit.query", "entries": "audit.query",
    "entries/0": "audit.query", "entries/0/proof": "audit.query", "entries/0/event": "audit.query",
    "consistency?from=1&to=1": "audit.query", "export": "audit.export", "review": "audit.review",
    "holds": "audit.holds", "ledger": "audit.ledger",
}  # fmt: skip


async def test_every_question_is_an_event_and_the_public_key_is_none(house: House) -> None:
    await house.log(look(house, "bell", "ann"))
    await house.sign()
    asked = {route.path for route in house.service.routes if route.method == "GET"}
    assert len(asked) == len(QUESTIONS) + 1, "a question is not asked here"
    for question in ("key", *QUESTIONS):
        role: Role = "patient" if question == "ledger" else "compliance"
        headers = house.bearer("ann" if role == "patient" else OFFICER, role)
        path = f"/api/v1/audit/{question}"
        async with house.client.get(path, headers=headers) as response:
            assert response.status == 200, await response.text()
            await response.read()
    reads = [event.data for event in await house.said() if isinstance(event.data, e.AccessRead)]
    assert [read.action for read in reads] == list(QUESTIONS.values())
    told = {read.action for read in reads if read.subject_id == house.subject("ann")}
    assert told == {"audit.query", "audit.ledger"}
    assert all(read.subject_id == house.subject("ann") for read in reads if read.scan_id)


async def test_an_export_of_a_pruned_log_does_not_say_that_it_is_complete(house: House) -> None:
    await house.log(look(house, "bell", "ann"))
    await house.sign()
    owner = await connect(house.platform.settings.database_url.get_secret_value())
    try:
        await owner.execute("insert into log.pruned values (0, 9, now())")
    finally:
        await owner.close()
    async with house.client.get("/api/v1/audit/export", headers=house.bearer()) as response:
        assert json.loads(await response.content.readline())["complete"] is False
