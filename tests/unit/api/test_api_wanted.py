# SPDX-License-Identifier: Apache-2.0
"""A list that is filtered: what is wanted is found, page by page, and nothing that is hidden."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import api_facts as say
import pytest
from test_api_status import FACTS as FACT_OF_KIND

from memoryguard.api.analysis import Document, summary_document
from memoryguard.api.scans import visible_to
from memoryguard.api.status import KIND_OF_EVENT, Status
from memoryguard.api.wanted import EVERYTHING, Wanted
from memoryguard.common.security.policy import Principal

if TYPE_CHECKING:
    from conftest import Api, Client

LIST = "/api/v1/imaging"
DORA = Principal("dora", frozenset({"clinician"}))
DONE = ("received", "extracted", "scored", "predicted")


async def put(api: Api, name: str, *kinds: str, minute: int = 0, **changes: Any) -> None:
    """Have facts of these kinds said about a scan of this name, one a second."""
    for second, kind in enumerate(kinds):
        fact = FACT_OF_KIND[kind].model_copy(update={"scan_id": name} | changes)
        await api.hear(say.at(fact, 60 * minute + second))


async def names(api: Api, client: Client, bearer: dict[str, str], **query: str) -> list[str]:
    """Every page of the list."""
    seen: list[str] = []
    while True:
        response = await client.get(LIST, params=query, headers=bearer)
        told = await response.json()
        assert response.status == 200, told
        seen += [item["imaging_id"] for item in told["items"]]
        if told["next_cursor"] is None:
            return seen
        assert (response.headers["Link"].count("cursor="), len(told["items"])) == (1, 2)
        query["cursor"] = told["next_cursor"]


@pytest.fixture
def dora(api: Api) -> dict[str, str]:
    return api.bearer("dora", "clinician")


async def test_filters_join_and_pages_go_on_under_them(
    api: Api, client: Client, dora: dict[str, str]
) -> None:
    for place in range(6):
        await put(api, f"scan-{place}", *(DONE if place % 3 else DONE[:1]), minute=place // 2)
    await put(api, "refused-1", "received", "extracted", "scored", "refused", minute=9)

    async def found(**query: str) -> list[str]:
        return await names(api, client, dora, limit="2", **query)

    assert await found(status="completed") == ["scan-5", "scan-4", "scan-2", "scan-1"]
    assert await found(status="uploaded") == ["scan-3", "scan-0"]
    assert await found(severity="moderate") == ["scan-5", "scan-4", "scan-2", "scan-1"]
    assert await found(severity="mild") == []
    assert await found(q=" SCAN-") == [f"scan-{place}" for place in (5, 4, 3, 2, 1, 0)]
    assert await found(q="an-4") == ["scan-4"]
    assert await found(q="%") == await found(q="n_4") == []
    second = (say.START + timedelta(minutes=1)).isoformat()
    assert await found(**{"from": second, "q": "scan"}) == ["scan-5", "scan-4", "scan-3", "scan-2"]
    assert await found(to=second, status="completed") == ["scan-1"]
    assert await found(status="", q="", severity="") == await found()


async def test_a_filter_asks_nothing_of_what_the_caller_may_not_see(
    api: Api, client: Client
) -> None:
    await put(api, "hers", *DONE)
    await put(api, "status-only", *DONE)
    grant = "insert into access_grant values ($1, $2, $3, true, now(), $4)"
    pool = api.platform.pool
    await pool.execute(grant, say.ANNA, "carl", say.SUBJECT, ["status"])
    for query in ({}, {"q": "hers"}, {"status": "completed"}, {"severity": "moderate"}):
        assert await names(api, client, api.bearer("berta"), **query) == []
        assert await names(api, client, api.bearer("carl", "caregiver"), **query) == []
        assert len(await names(api, client, api.bearer(say.ANNA), **query)) >= 1


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        f"q={'x' * 101}",
        "status=done",
        "severity=bad",
        "from=2026-01-01",
        "to=yesterday",
        "from=0001-01-01T00:00:00%2B23:00",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ],
)
async def test_a_filter_that_cannot_be_is_refused(
    client: Client, dora: dict[str, str], query: str
) -> None:
    response = await client.get(f"{LIST}?{query}", headers=dora)
    assert (response.status, (await response.json())["code"]) == (422, "bad_filter")


async def test_the_database_finds_by_what_the_list_says(api: Api) -> None:
    """Whatever was said, in whatever order, and some of it at the same moment."""
    draw, rows = random.Random(4), list[tuple[object, ...]]()
    for number in range(300):
        for kind in draw.sample(sorted(FACT_OF_KIND), draw.randint(1, 9)):
            data = FACT_OF_KIND[kind].model_dump(mode="json")
            if kind == "failed.api":
                data["event_type"] = draw.choice([*KIND_OF_EVENT, "memoryguard.other.said.v1"])
            at = say.START + timedelta(seconds=draw.randint(0, 4))
            rows.append((str(number), kind, at, json.dumps(data)))
    pool = api.platform.pool
    await pool.execute(
        "insert into scan select n::text, 's', null, now(), now() from generate_series(0, 299) n"
    )
    await pool.executemany("insert into scan_fact values ($1, $2, $3, $4, $3)", rows)

    async def found(wanted: Wanted) -> dict[str, Document]:
        listed, _ = await visible_to(pool, DORA, None, 1000, None, wanted, everybody=True)
        return {scan.scan_id: summary_document(scan) for scan in listed}

    everything = await found(EVERYTHING)
    for status in get_args(Status):
        expected = {name for name, said in everything.items() if said["status"] == status}
        assert expected, status
        assert (await found(Wanted(status=status))).keys() == expected
    low = {name for name, said in everything.items() if said["atrophy_severity"] == "moderate"}
    assert 0 < len(low) < sum(kind == "scored" for _, kind, *_ in rows), "some were taken back"
    assert (await found(Wanted(severity="moderate"))).keys() == low
