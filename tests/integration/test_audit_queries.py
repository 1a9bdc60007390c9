# SPDX-License-Identifier: Apache-2.0
"""Officers' questions to a real log over HTTP: filters, pages, single events, exports."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from audit_house import OFFICER, START, House, audit_house

from memoryguard.audit.finding import bounded
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import NOBODY
from memoryguard.common.contracts.oversight import LogExported
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime import subject_keys
from memoryguard.common.runtime.bus import Received
from memoryguard.tlog.checkpoint import open_checkpoint
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.files import verify_file
from memoryguard.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from memoryguard.tlog.proof import EntryProof

ENTRIES = "/api/v1/audit/entries"
EXPORT = "/api/v1/audit/export"


@pytest_asyncio.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncGenerator[House]:
    async with audit_house(tmp_path, database_url) as house:
        await house.log(*facts(house))
        await house.append([Received("memoryguard.odd.v1", NOBODY, b"no event", 1)])
        yield house


def facts(house: House) -> list[e.Fact]:
    """Six minutes: Ann looks at her own data, Dr. Bell at Ann's and Cem's, and is refused once."""
    ann, cem = house.subject("ann"), house.subject("cem")
    seen = {"service": "api", "action": "imaging.analysis"}
    return [
        e.AccessRead(subject_id=ann, actor_id="ann", user_id="ann", scan_id="s-ann", basis="own",
                     purpose="PATRQT", **seen),
        e.AccessRead(subject_id=ann, actor_id="bell", user_id="ann", scan_id="s-ann", **seen,
                     basis="role", purpose="TREAT"),
        e.AccessRead(subject_id=cem, actor_id="bell", user_id="cem", scan_id="s-cem", **seen),
        e.AccessDenied(subject_id=NOBODY, actor_id="bell", action="user.erase", service="ingest",
                       code="not_allowed"),
        e.AccessOverridden(subject_id=cem, user_id="cem", actor_id="bell", reason="safety",
                           expires_at=START),
        e.ScanErased(subject_id=cem),
    ]  # fmt: skip


async def asked(house: House, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
    async with house.client.get(path, params=query, headers=house.bearer()) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def found(house: House, **query: Any) -> list[int]:
    return [entry["sequence"] for entry in (await asked(house, ENTRIES, **query))["entries"]]


async def test_every_filter_finds_what_it_says_newest_first(house: House) -> None:
    ann = house.subject("ann")
    assert await found(house) == [6, 5, 4, 3, 2, 1, 0]  # without a readable time: first
    assert await found(house, subject=ann) == await found(house, user="ann") == [1, 0]
    assert await found(house, actor="ann") == await found(house, actor=ann) == [0]
    assert await found(house, actor="bell") == [4, 3, 2, 1]
    assert await found(house, actor="bell", user="cem") == [4, 2]
    assert await found(house, scan="s-ann") == [1, 0]
    assert await found(house, action="imaging.analysis") == [2, 1, 0]
    assert await found(house, action="a*") == [4]
    assert await found(house, action="i*", actor="bell") == [2, 1]
    assert await found(house, action="nothing*") == []
    assert await found(house, outcome="denied") == [3]
    assert await found(house, outcome="failure") == [6]
    assert await found(house, purpose="TREAT") == [1]
    assert await found(house, type="memoryguard.scan.erased.v1") == [5]
    assert await found(
        house, **{"from": "2026-03-01T09:02:00Z"}, to="2026-03-01T10:04:00+01:00"
    ) == [3, 2]


async def test_an_item_has_every_field_of_the_header(house: House) -> None:
    (entry,) = (await asked(house, ENTRIES, purpose="TREAT"))["entries"]
    assert entry["occurred_at"] == "2026-03-01T09:01:00Z"
    assert (entry["actor"], entry["outcome"], entry["form"]) == ("bell", "success", "sealed")
    assert set(entry) == {
        "sequence", "action", "actor", "counter", "digest", "epoch", "event_id", "form",
        "logged_at", "occurred_at", "outcome", "purpose", "scan_id", "source", "subject_id",
        "topic", "type",
    }  # fmt: skip


async def test_pages_put_together_are_the_whole(house: House) -> None:
    for query in ({}, {"actor": "bell"}, {"action": "i*"}):
        pages, cursor = list[int](), dict[str, str]()
        while True:
            answer = await asked(house, ENTRIES, limit=2, **query, **cursor)
            pages += [entry["sequence"] for entry in answer["entries"]]
            if answer["next_cursor"] is None:
                break
            cursor = {"cursor": answer["next_cursor"]}
        assert pages == await found(house, **query)


WRONG = (
    "limit=0", "limit=501", "limit=x", "limit=-1", "subject=ann", "subject=", "outcome=good",
    "type=x", "action=*", "action=a*b", "actor=a&actor=b", "unknown=1", "from=yesterday",
    "from=2026-03-01",
    "from=2026-03-01T09:00:00", "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
    "from=2026-02-30T00:00:00Z", "actor=a%00", f"user=ann&subject={'5e' * 16}",
    f"actor={'a' * 501}",
)  # fmt: skip


async def test_what_is_asked_wrongly_is_refused(house: House) -> None:
    for query in WRONG:
        async with house.client.get(f"{ENTRIES}?{query}", headers=house.bearer()) as response:
            code = (await response.json())["code"]
            assert (response.status, code) == (422, "bad_filter"), query
    for cursor in ("x", "W10", "WzEsLTFd", "WzEsMV0=", "bnVsbA", "ü"):
        assert (await asked(house, ENTRIES, 422, cursor=cursor))["code"] == "bad_cursor"


async def test_every_question_is_recorded_with_whom_it_was_about(house: House) -> None:
    await found(house, user="ann")
    await found(house, user="a-name-nobody-has")
    await asked(house, EXPORT, 503, user="ann")
    ann, nobody = await house.said()
    assert isinstance(ann.data, e.AccessRead) and isinstance(nobody.data, e.AccessRead)
    assert (ann.data.subject_id, ann.data.actor_id) == (house.subject("ann"), OFFICER)
    assert (ann.data.action, ann.data.user_id, ann.data.basis) == ("audit.query", None, "role")
    assert nobody.data.subject_id == NOBODY
    assert b"a-name-nobody-has" not in nobody.to_bytes()


async def test_an_event_is_opened_until_its_person_is_erased(house: House) -> None:
    event = await asked(house, f"{ENTRIES}/2/event")
    assert event["data"]["user_id"] == "cem"
    assert (await asked(house, f"{ENTRIES}/3/event"))["data"]["code"] == "not_allowed"
    assert (await asked(house, f"{ENTRIES}/1/event"))["data"]["user_id"] == "ann"
    async with house.platform.pool.acquire() as connection, connection.transaction():
        await subject_keys.hold(connection)
        await house.platform.objects.keys.destroy(house.subject("ann"))
    assert (await asked(house, f"{ENTRIES}/1/event", 410))["code"] == "entry_shredded"
    assert (await asked(house, f"{ENTRIES}/99/event", 404))["code"] == "not_found"


async def test_growth_is_proved(house: House) -> None:
    await house.sign()
    await house.log(*facts(house))
    await house.sign()
    answer = await asked(house, "/api/v1/audit/consistency", **{"from": 7}, to=13)
    key = house.signer.verifier_key
    older, newer = (open_checkpoint(answer[f"{name}_checkpoint"], key) for name in ("from", "to"))
    proof = [base64.b64decode(each) for each in answer["hashes"]]
    verify_consistency(7, 13, proof, older.root, newer.root)
    for sizes in ({"from": 0, "to": 3}, {"from": 5, "to": 4}, {"from": 5, "to": 14}):
        assert (await asked(house, "/api/v1/audit/consistency", 404, **sizes))[
            "code"
        ] == "not_found"


async def exported(house: House, **query: Any) -> str:
    async with house.client.get(EXPORT, params=query, headers=house.bearer()) as response:
        assert response.status == 200, await response.text()
        return (await response.read()).decode()


def verified(house: House, note: str, line: dict[str, Any]) -> Entry:
    """Verify a line of an export as somebody does who has nothing but the log's key."""
    checkpoint = open_checkpoint(note, house.signer.verifier_key)
    leaf = base64.b64decode(line["entry"])
    proof = [base64.b64decode(each) for each in line["proof"]]
    verify_inclusion(
        int(line["sequence"]), checkpoint.size, leaf_hash(leaf), proof, checkpoint.root
    )
    return Entry.parse(leaf)


async def test_json_lines_verify_offline_and_open(house: House) -> None:
    await house.sign()
    await house.log(*facts(house))
    header, *lines = [json.loads(line) for line in (await exported(house)).splitlines()]
    assert (header["memoryguard_export"], header["entries_unsigned"]) == (1, 6)
    assert (header["complete"], header["filters"]) == (True, {})
    assert [line["sequence"] for line in lines] == [6, 5, 4, 3, 2, 1, 0]
    for line in lines:
        entry = verified(house, header["checkpoint"], line)
        opening = None if line["opening"] is None else base64.b64decode(line["opening"])
        event = entry.event(opening)
        assert event is not None
        assert line["event"] == (json.loads(event) if line["sequence"] != 6 else None)
        assert (opening is None) == (entry.form == "plain")


async def test_an_export_is_recorded_with_what_left(house: House) -> None:
    await house.sign()
    body = await exported(house, actor="bell", format="csv", **{"from": "2026-03-01T09:00:00Z"})
    read, said = await house.said()
    assert isinstance(read.data, e.AccessRead) and read.data.action == "audit.export"
    assert said.data == LogExported(
        subject_id=NOBODY, actor_id=OFFICER, format="csv", entries=4, filters=("actor", "from"),
        sha256=hashlib.sha256(body.encode()).hexdigest(),
    )  # fmt: skip


async def test_csv_verifies_and_holds_no_formula(house: House) -> None:
    evil = '=cmd|"/c calc"!A1,x'
    await house.log(e.AccessRead(subject_id=NOBODY, actor_id=evil, action="a", service="api"))
    await house.sign()
    comment, _, table = (await exported(house, format="csv")).partition("\r\n")
    note = json.loads(comment.removeprefix("# "))["checkpoint"]
    rows = list(csv.DictReader(io.StringIO(table, newline=""), strict=True))
    assert len(rows) == 8
    assert {row["sequence"]: row["actor"] for row in rows}["7"] == f"'{evil}"
    for row in rows:
        entry = verified(house, note, {**row, "proof": row["proof"].split(" ")})
        assert entry.actor == (row["actor"].removeprefix("'") or None)


async def test_fhir_carries_a_whole_proof_in_each_resource(house: House) -> None:
    await house.sign()
    resources = [json.loads(x) for x in (await exported(house, format="fhir")).splitlines()]
    assert len(resources) == 7
    key = house.signer.verifier_key
    for resource in resources:
        parts = {part["url"].rpartition("-")[2]: part for part in resource["extension"]}
        leaf = base64.b64decode(parts["entry"]["valueBase64Binary"])
        EntryProof.parse(parts["proof"]["valueString"]).verify(leaf, key)
    assert resources[3]["subtype"][0]["code"] == "delete"


@pytest.mark.parametrize("kind", ["jsonl", "csv", "fhir"])
async def test_every_export_verifies_as_a_file_and_a_changed_one_does_not(
    house: House, tmp_path: Path, kind: str
) -> None:
    await house.sign()
    text, file = await exported(house, format=kind), tmp_path / f"export.{kind}"
    file.write_text(text, newline="")
    key = house.signer.verifier_key
    verdict = verify_file(file, key)
    assert (verdict.state, verdict.document["entries"]) == ("intact", 7)
    assert verdict.document["opened"] == 7
    when = re.search(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", text)  # when it was logged
    assert when
    leaf = base64.b64encode(b"memoryguard-log-entry/1 {").decode()[:32]
    for old, new in (
        (when[0], "2" + "0" * (len(when[0]) - 2) + "Z"), (leaf, leaf[:-1] + "A"),
    ):  # fmt: skip
        assert old in text
        file.write_text(text.replace(old, new, 1), newline="")
        assert verify_file(file, key).state == "not_intact", old
    with pytest.raises(Unverified):
        file.write_text('{"resourceType":"AuditEvent"}\n')
        verify_file(file, key)


async def test_an_export_of_more_than_a_batch_leaves_nothing_out(house: House) -> None:
    more = [
        e.AccessRead(subject_id=NOBODY, actor_id=f"a{n}", action="look", service="test")
        for n in range(600)
    ]
    await house.log(*more, step_s=0)
    await house.sign()
    header, *lines = [json.loads(x) for x in (await exported(house, action="look")).splitlines()]
    assert [line["sequence"] for line in lines] == list(range(606, 6, -1))
    for line in lines[::100]:
        verified(house, header["checkpoint"], line)


async def test_an_export_that_is_cut_short_is_recorded_as_far_as_it_went(house: House) -> None:
    large = [Received("memoryguard.odd.v1", NOBODY, bytes([n]) * 800_000, n) for n in range(30)]
    await house.append(large)
    await house.sign()
    async with house.client.get(EXPORT, headers=house.bearer()) as response:
        await response.content.readany()
        response.close()
    async with asyncio.timeout(30):
        while len(said := await house.said()) < 2:
            await asyncio.sleep(0.05)
    assert isinstance(said[-1].data, LogExported)
    assert said[-1].data.entries < 30
    assert (
        len((await exported(house)).splitlines()) == 38
    )  # nobody is kept out by the one that left


async def test_nothing_is_exported_before_it_is_signed(house: House) -> None:
    assert (await asked(house, EXPORT, 503))["code"] == "not_signed_yet"
    await house.sign()
    assert (await asked(house, EXPORT, 422, format="xml"))["code"] == "bad_filter"
    assert (await asked(house, EXPORT, 422, limit=1))["code"] == "bad_filter"


async def test_what_takes_too_long_is_given_up(house: House) -> None:
    with pytest.raises(Rejected, match="query_too_wide"):
        async with bounded(house.platform.pool, 1) as connection:
            await connection.execute("select pg_sleep(30)")
