# SPDX-License-Identifier: Apache-2.0
"""Status, analysis, lists and pictures over HTTP, and who may see them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import api_facts as say
import pytest

from memoryguard.api.analysis import ARTIFACTS
from memoryguard.api.artifacts import SERVED
from memoryguard.common.contracts import events as e
from memoryguard.common.vocabulary import VOLUMES

if TYPE_CHECKING:
    from conftest import Api, Client

SCAN_PATHS = [
    f"/api/v1/imaging/{say.SCAN}/status",
    f"/api/v1/imaging/{say.SCAN}/analysis",
    f"/api/v1/imaging/{say.SCAN}/events",
    f"/api/v1/imaging/{say.SCAN}/picture",
    f"/api/v1/imaging/user/{say.ANNA}",
]


async def hear_all(api: Api, *artifacts: str) -> None:
    """Say all there is to say, with these files, whose content is their name and a PNG's."""
    put = api.platform.objects.put
    references = {
        ARTIFACTS[name]: await put(f"derived/x/{name}", say.SUBJECT, say.PNG + name.encode())
        for name in artifacts
    }
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(**references), 10),
        say.at(say.scored(say.change()), 11),
        say.at(say.predicted(), 12),
        say.at(say.health({"moca": 28.0}), 1),
    )


@pytest.mark.parametrize("path", SCAN_PATHS)
async def test_without_a_token_there_is_nothing(api: Api, client: Client, path: str) -> None:
    await hear_all(api)
    response = await client.get(path)
    assert response.status == 401
    assert (await response.json())["code"] == "invalid_token"
    assert isinstance((await api.said())[-1], e.AccessDenied)


@pytest.mark.control("164.312(b)", "looks")
@pytest.mark.parametrize("path", SCAN_PATHS)
async def test_somebody_else_finds_nothing_and_is_recorded(
    api: Api, client: Client, path: str
) -> None:
    await hear_all(api)
    response = await client.get(path, headers=api.bearer("berta"))
    assert response.status == 404
    denied = (await api.said())[-1]
    assert isinstance(denied, e.AccessDenied)
    assert (denied.actor_id, denied.user_id, denied.code) == ("berta", say.ANNA, "not_found")
    if say.SCAN in path:
        assert (denied.subject_id, denied.scan_id) == (say.SUBJECT, say.SCAN)


async def test_not_there_and_not_yours_read_the_same(api: Api, client: Client) -> None:
    await hear_all(api, "picture")
    answers: list[tuple[int, object]] = []
    for scan in (say.SCAN, "no-such-scan", "a%00b"):
        response = await client.get(f"/api/v1/imaging/{scan}/status", headers=api.bearer("berta"))
        answers.append((response.status, await response.json()))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.control("164.312(b)", "looks")
@pytest.mark.parametrize("path", SCAN_PATHS)
@pytest.mark.parametrize("reader", [("anna", "patient"), ("dora", "clinician")])
async def test_the_person_and_a_clinician_see_it_and_are_recorded(
    api: Api, client: Client, path: str, reader: tuple[str, str]
) -> None:
    await hear_all(api, "picture")
    response = await client.get(path, headers=api.bearer(*reader))
    assert response.status == 200
    await response.read()
    read = (await api.said())[-1]
    assert isinstance(read, e.AccessRead)
    assert (read.actor_id, read.user_id) == (reader[0], say.ANNA)


@pytest.mark.control("164.514(d)", "roles")
@pytest.mark.parametrize("role", ["compliance", "integration", "admin"])
async def test_other_roles_see_no_scan(api: Api, client: Client, role: str) -> None:
    await hear_all(api)
    response = await client.get(SCAN_PATHS[0], headers=api.bearer(say.ANNA, role))
    assert response.status == 403


async def test_a_scan_of_nobody_is_for_clinicians(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(user_id=None), 0))
    assert (await client.get(SCAN_PATHS[0], headers=api.bearer(say.ANNA))).status == 404
    assert (await client.get(SCAN_PATHS[0], headers=api.bearer("dora", "clinician"))).status == 200


async def test_status_tells_stage_and_seconds(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.extracted(), 7))
    response = await client.get(SCAN_PATHS[0], headers=api.bearer(say.ANNA))
    assert await response.json() == {
        "imaging_id": say.SCAN,
        "user_id": say.ANNA,
        "modality": "MRI",
        "status": "processing",
        "stage": "measured",
        "created_at": "2026-03-01T09:00:00+00:00",
        "updated_at": "2026-03-01T09:00:07+00:00",
        "stages": {"measured": 7.0},
    }
    assert response.headers["Cache-Control"] == "no-store"


async def test_an_analysis_is_not_ready_before_the_end(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.extracted(), 7), say.at(say.scored(), 8))
    response = await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))
    assert response.status == 409
    assert (await response.json())["code"] == "not_ready"


async def test_an_analysis_says_everything_and_why_not(api: Api, client: Client) -> None:
    await hear_all(api, "picture")
    response = await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))
    told = await response.json()
    # the original description's fields
    assert told["id"] == say.SCAN
    assert told["status"] == "completed"
    assert told["hippocampal_volume_total"] == 6000.0
    assert told["cortical_thickness_mean"] is None
    assert told["total_brain_volume"] == 1_050_000.0
    assert told["atrophy_severity"] == "moderate"
    assert told["atrophy_detected"] == {
        "hippocampus_total": True,
        "lateral_ventricles": False,
        "total_brain": None,
        "cortical_grey_matter": None,
    }
    assert told["ml_features"]["ratios"] == {"hippocampus_to_brain": 0.005714}
    # the document of `memoryguard analyze`
    assert told["volumes_mm3"]["hippocampus_left"] == 2900.0
    assert told["volumes_mm3"]["white_matter"] is None  # never mentioned: null all the same
    assert told["errors_sd"]["volumes_mm3"]["hippocampus_left"] == 90.0
    never_mentioned = {name: "not_measured" for name in VOLUMES if name not in say.VOLUMES}
    assert told["reasons"]["volumes_mm3"] == never_mentioned | {
        "cortical_grey_matter": "engine_does_not_measure_it"
    }
    assert told["reasons"]["thickness_mm"] == {
        "cortex_right": "not_measured",
        "cortex_mean": "engine_does_not_measure_it",
    }
    assert told["reasons"]["asymmetry_percent"] == {"lateral_ventricle": "not_measured"}
    assert told["reasons"]["atrophy"] == {
        "total_brain": "class_uncertain",
        "cortical_grey_matter": "engine_does_not_measure_it",
        "cortex_left": "class_uncertain",
    }
    assert told["atrophy"]["thickness"]["cortex_left"]["expected_mm"] == 2.42
    assert told["atrophy"]["summaries"]["hippocampal"]["severity"] == "moderate"
    assert told["atrophy"]["packs"]["potvin_2016_2017"]["version"] == "2"
    assert told["atrophy"]["regions"]["hippocampus_total"]["z"] == -2.4
    assert told["atrophy"]["change"]["hippocampus_total"]["percent_per_year"] == -3.1
    assert list(told["atrophy"]["change"]) == ["hippocampus_total", "total_brain"]
    assert told["risk"]["probabilities"] == {"CN": 0.2, "MCI": 0.5, "Dementia": 0.3}
    assert told["reasons"]["risk"] == []
    assert told["health"] == {"moca": {"value": 28.0, "provenance": "synthetic"}}
    assert told["seconds"] == {
        "read": 1.0,
        "segment": 5.5,
        "score": 0.1,
        "predict": 0.2,
        "total": 12.0,
    }
    assert told["picture"] == told["artifacts"]["picture"]["path"] == SCAN_PATHS[3]
    assert set(told["artifacts"]) == {"picture"}
    assert "acquired_on" not in await response.text()  # a shifted date is not a date


async def test_a_withheld_answer_is_null_with_its_reasons(api: Api, client: Client) -> None:
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(), 1),
        say.at(say.scored(), 2),
        say.at(say.withheld(), 3),
    )
    told = await (await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))).json()
    assert told["status"] == "completed"
    assert told["risk"] is None
    assert told["reasons"]["risk"] == [
        {"code": "required_input_missing", "message": "the age is missing"}
    ]
    assert told["risk_withheld"]["missing"] == {"age_years": "age_unknown"}
    assert told["reasons"]["atrophy"]["change"] == "fewer_than_two_scans"
    assert told["picture"] is None
    assert told["reasons"]["picture"] == "no_picture"


async def test_a_refused_scan_has_quality_and_reasons_and_no_number(
    api: Api, client: Client
) -> None:
    await api.hear(say.at(say.received(), 0), say.at(say.refused(), 1))
    told = await (await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))).json()
    assert told["status"] == "failed"
    assert told["error"]["code"] == "not_a_head"
    assert told["quality"]["verdict"] == "refused"
    assert set(told["volumes_mm3"].values()) == {None}
    assert set(told["reasons"]["volumes_mm3"].values()) == {"not_a_head"}
    assert told["reasons"]["risk"][0]["code"] == "not_a_head"
    assert told["atrophy"]["regions"] == {}


async def test_a_scan_given_up_says_so_and_keeps_what_was_measured(
    api: Api, client: Client
) -> None:
    await api.hear(
        say.at(say.received(), 0),
        say.at(say.extracted(), 1),
        say.at(say.failure("atrophy", "memoryguard.volumes.extracted.v1"), 2),
    )
    told = await (await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))).json()
    assert told["status"] == "failed"
    assert told["error"]["code"] == "bug"
    assert told["hippocampal_volume_total"] == 6000.0
    assert told["reasons"]["atrophy"] == {"overall": "bug"}


async def test_a_list_is_paged_newest_first(api: Api, client: Client) -> None:
    for place in range(5):
        scan = say.received(scan_id=f"scan-{place}")
        await api.hear(say.at(scan, 10 * (place // 2)))  # two of them at the same moment
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        response = await client.get(SCAN_PATHS[4], params=query, headers=api.bearer(say.ANNA))
        told = await response.json()
        seen += [item["imaging_id"] for item in told["items"]]
        if told["next_cursor"] is None:
            break
        query["cursor"] = told["next_cursor"]
    assert seen == [f"scan-{place}" for place in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "bad_limit"),
        ("limit=x", "bad_limit"),
        ("limit=101", "bad_limit"),
        ("limit=1000000000001", "bad_limit"),
        ("cursor=x", "bad_cursor"),
        ("cursor=é", "bad_cursor"),
        ("cursor=MjAyNi0wMS0wMXx4", "bad_cursor"),  # a time without its zone
        ("cursor=MDAwMS0wMS0wMVQwMDowMDowMCsyMzowMHx4", "bad_cursor"),  # before the first year
    ],
)
async def test_bad_pages_are_refused(api: Api, client: Client, query: str, code: str) -> None:
    response = await client.get(f"{SCAN_PATHS[4]}?{query}", headers=api.bearer(say.ANNA))
    assert (response.status, (await response.json())["code"]) == (422, code)


async def test_a_user_without_scans_has_an_empty_list(api: Api, client: Client) -> None:
    response = await client.get("/api/v1/imaging/user/berta", headers=api.bearer("berta"))
    assert await response.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("name", ARTIFACTS)
async def test_a_file_comes_out_of_the_object_store(api: Api, client: Client, name: str) -> None:
    await hear_all(api, *ARTIFACTS)
    analysis = await client.get(SCAN_PATHS[1], headers=api.bearer(say.ANNA))
    told = (await analysis.json())["artifacts"][name]
    response = await client.get(told["path"], headers=api.bearer(say.ANNA))
    content = await response.read()
    assert content == say.PNG + name.encode()
    assert (told["sha256"], told["bytes"]) == (sha256(content).hexdigest(), len(content))
    assert response.content_type == SERVED[name].content_type
    assert response.headers["Cache-Control"] == "no-store"
    read = (await api.said())[-1]
    assert isinstance(read, e.AccessRead)
    assert (read.action, read.scan_id) == (SERVED[name].action, say.SCAN)


@pytest.mark.parametrize("name", ARTIFACTS)
async def test_a_scan_without_a_file_has_none(api: Api, client: Client, name: str) -> None:
    await hear_all(api, *(set(ARTIFACTS) - {name}))
    path = f"/api/v1/imaging/{say.SCAN}/{name}"
    assert (await client.get(path, headers=api.bearer(say.ANNA))).status == 404


@pytest.mark.parametrize("path", [*SCAN_PATHS[:2], *SCAN_PATHS[3:]])
async def test_what_a_client_has_is_not_sent_again(api: Api, client: Client, path: str) -> None:
    await hear_all(api, "picture")
    bearer = api.bearer(say.ANNA)
    tag = (await client.get(path, headers=bearer)).headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await client.get(path, headers=bearer | {"If-None-Match": known})
        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
    changed = await client.get(path, headers=bearer | {"If-None-Match": '"other"'})
    assert changed.status == 200
    nobody = await client.get(path, headers={"If-None-Match": tag})
    assert nobody.status == 401
    reads = [fact for fact in await api.said() if isinstance(fact, e.AccessRead)]
    assert len(reads) == 6, "asking again is a look, too"
