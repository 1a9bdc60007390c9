# SPDX-License-Identifier: Apache-2.0
"""Results as CSV: each number under its name, empty cells with their reason, no formula."""

from __future__ import annotations

import asyncio
import csv
import io
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import api_facts as say
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_api_fhir import CASES, START, scan

from memoryguard.api.analysis import GROUPS
from memoryguard.api.known import Known
from memoryguard.api.measurements import PAGE
from memoryguard.api.tables import columns, measures
from memoryguard.api.tables.csv import TABLES
from memoryguard.atrophy.domain.asymmetry import RATIOS, SIDES
from memoryguard.cli.score.columns import VOLUMES as SCORED_VOLUMES
from memoryguard.cli.score.columns import every_column
from memoryguard.cli.score.command import score_table
from memoryguard.cli.score.scorer import Wanted
from memoryguard.common.contracts import events as e
from memoryguard.common.http.app import build_app
from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.tlog.exported import STARTS_A_FORMULA

if TYPE_CHECKING:
    from conftest import Api, Client

ROOT = Path(__file__).parents[3]
ONE = f"/api/v1/imaging/{say.SCAN}/measurements.csv"
ALL = "/api/v1/measurements.csv"
Row = dict[str, str]


def known(case: str) -> Known:
    found = scan(*CASES[case])
    return Known.of(found)


def rows(text: str) -> list[Row]:
    """Read CSV strictly: every row has as many cells as the header."""
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    head, *rest = lines
    assert len(head) == len(set(head))
    assert all(len(row) == len(head) for row in rest)
    return [dict(zip(head, row, strict=True)) for row in rest]


def table(shape: str, *cases: str) -> list[Row]:
    return rows(TABLES[shape].head() + TABLES[shape].lines(map(known, cases)))


def of(found: list[Row], kind: str, name: str) -> Row:
    (only,) = [row for row in found if (row["kind"], row["name"]) == (kind, name)]
    return only


# --- what stands where ---------------------------------------------------------------------------


def test_the_wide_table_has_one_row_for_each_scan() -> None:
    first, second = table("wide", "change", "refused")
    assert (first["id"], first["person"]) == (say.SCAN, say.SUBJECT)
    assert (first["age_years"], first["sex"], first["field_strength_t"]) == ("72.0", "F", "3.0")
    assert (first["status"], first["quality"], first["quality_reason"]) == (
        "completed", "warned", "motion",
    )  # fmt: skip
    assert first["hippocampus_total_mm3"] == "6000.0"
    assert first["hippocampus_total_error_sd_mm3"] == "130.0"
    assert first["hippocampus_total_median_mm3"] == "7100.0"
    assert (first["hippocampus_total_z"], first["hippocampus_total_z_sd"]) == ("-2.4", "0.3")
    assert first["hippocampus_total_severity"] == "moderate"
    assert first["cortex_left_mm"] == "2.31"
    assert first["total_brain_severity_reason"] == "class_uncertain"
    assert first["cortical_grey_matter_mm3"] == ""
    assert first["cortical_grey_matter_mm3_reason"] == "engine_does_not_measure_it"
    assert first["cortical_grey_matter_reason"] == "engine_does_not_measure_it"
    assert first["hippocampus_asymmetry_percent"] == "-6.7"
    assert first["hippocampus_asymmetry_error_sd_percent"] == "4.2"
    assert first["lateral_ventricle_asymmetry_percent_reason"] == "not_measured"
    assert first["hippocampus_to_brain_ratio"] == "0.005714"
    assert first["hippocampus_total_percent_per_year"] == "-3.1"
    assert first["hippocampus_total_percent_per_year_low"] == "-4.8"
    assert first["hippocampus_total_within_noise"] == "false"
    assert first["hippocampus_total_change_years"] == "1.5"
    assert first["total_brain_change_reason"] == "no_retest_figure"
    assert first["probability_dementia"] == "0.3"
    assert first["probability_dementia_high"] == "0.41"
    assert first["dementia_similarity"] == "0.3"
    assert first["risk_missing"] == "apoe4_alleles:not_reported"
    assert first["packs"] == f"potvin_2016_2017:2:{'ef' * 32}"
    assert (first["engine"], first["model"]) == ("headframe", "risk")
    assert (second["status"], second["status_reason"]) == ("failed", "not_a_head")
    assert second["hippocampus_total_mm3_reason"] == "not_a_head"


def test_ratios_and_asymmetries_are_those_that_atrophy_makes() -> None:
    made = [f"{name}_ratio" for name in RATIOS] + [f"{name}_asymmetry_percent" for name in SIDES]
    headings = columns.headings()
    ends = ("_ratio", "_asymmetry_percent")
    assert sorted(name for name in headings if name.endswith(ends)) == sorted(made)


def test_the_long_table_has_one_row_for_each_measure() -> None:
    found = table("long", "change")
    volume = of(found, "volume", "hippocampus_total")
    assert (volume["value"], volume["unit"], volume["error_sd"]) == ("6000.0", "mm3", "130.0")
    assert (volume["z"], volume["centile"], volume["age_years"]) == ("-2.4", "0.8", "72.0")
    assert of(found, "thickness", "cortex_mean")["reason"] == "engine_does_not_measure_it"
    assert of(found, "ratio", "hippocampus_to_brain")["unit"] == "1"
    change = of(found, "change", "hippocampus_total")
    assert (change["low"], change["value"], change["high"]) == ("-4.8", "-3.1", "-1.4")
    assert (change["change_years"], change["scans"]) == ("1.5", "2")
    chance = of(found, "probability", "MCI")
    assert (chance["low"], chance["value"], chance["high"]) == ("0.4", "0.5", "0.6")
    assert [r["name"] for r in found if r["kind"] == "volume"] == list(VOLUMES)


@pytest.mark.parametrize("case", CASES)
def test_both_tables_say_what_the_analysis_says(case: str) -> None:
    document = known(case).document
    (wide,), long = table("wide", case), table("long", case)
    for group, kind, unit in (
        ("volumes_mm3", "volume", "mm3"),
        ("thickness_mm", "thickness", "mm"),
    ):
        for name in GROUPS[group]:
            said = document[group][name]
            written = "" if said is None else repr(said)
            assert wide[f"{name}_{unit}"] == of(long, kind, name)["value"] == written


@pytest.mark.parametrize("case", [*CASES, "early"])
def test_an_empty_number_has_its_reason(case: str) -> None:
    found = scan(*START) if case == "early" else scan(*CASES[case])
    text = TABLES["wide"].head() + TABLES["wide"].lines([Known.of(found)])
    (row,) = rows(text)
    for name in VOLUMES:
        assert bool(row[f"{name}_mm3"]) != bool(row[f"{name}_mm3_reason"]), name
        assert bool(row[f"{name}_z"]) != bool(row[f"{name}_reason"]), name
    for name in ("hippocampus_asymmetry_percent", "grey_to_white_ratio"):
        assert bool(row[name]) != bool(row[f"{name}_reason"]), name
    for name in set(VOLUMES) - {"intracranial"}:
        assert row[f"{name}_percent_per_year"] or row[f"{name}_change_reason"], name
    assert bool(row["dementia_similarity"]) != bool(row["risk_reason"])
    if case == "early":
        assert (row["status"], row["hippocampus_total_reason"]) == ("processing", "not_ready")


def test_what_the_model_was_given_stands_in_it() -> None:
    features = {
        "moca": e.Quantity(value=28.0), "apoe4_alleles": e.Quantity(value=None, reason="not_known"),
    }  # fmt: skip
    for answer in (say.predicted(), say.withheld()):
        told = answer.model_copy(update={"features": features})
        found = scan(*START, say.scored(), told)
        values = columns.row(Known.of(found))
        row = dict(zip(columns.headings(), values, strict=True))
        assert (row["moca"], row["apoe4_alleles"], row["mmse"]) == (28.0, None, None)


# --- for other programs --------------------------------------------------------------------------


def test_names_are_those_of_memoryguard_score() -> None:
    known_names = {name for column in every_column() for name in column.names("memoryguard")}
    ours = columns.headings()
    assert {SCORED_VOLUMES[name].name for name in VOLUMES} <= set(ours)
    assert {f"{name}_mm" for name in THICKNESS} <= set(ours) & known_names
    for name in ("id", "person", "age_years", "sex", "field_strength_t", "manufacturer",
                 "scanner_model", "education_years", "mmse", "moca", "apoe4_alleles"):  # fmt: skip
        assert name in set(ours) & known_names


def test_memoryguard_score_reads_the_table_and_writes_the_same_names(tmp_path: Path) -> None:
    written = TABLES["wide"].head() + TABLES["wide"].lines([known("change")])
    (tmp_path / "measurements.csv").write_bytes(written.encode())
    wanted = Wanted("memoryguard", "0.1.0", risk=False)
    told = Console(file=io.StringIO(), width=10_000)
    score_table(tmp_path / "measurements.csv", wanted, tmp_path / "scores.csv", told)
    (row,) = rows((tmp_path / "scores.csv").read_text("utf-8").replace("\n", "\r\n"))
    assert (row["id"], row["person"], row["problems"]) == (say.SCAN, say.SUBJECT, "")
    assert row["hippocampus_total_z"], "it was scored from what was exported"
    same = {"overall", "overall_region", "flags", "engine", "engine_version", "packs", "site",
            "hippocampus_total_z", "hippocampus_total_z_sd", "hippocampus_total_centile",
            "hippocampus_total_severity", "hippocampus_total_reason",
            "total_brain_severity_reason", "hippocampus_asymmetry_percent",
            "hippocampus_to_brain_ratio", "grey_to_white_ratio_reason"}  # fmt: skip
    assert same <= row.keys() & set(columns.headings())


def test_it_is_what_rfc_4180_says() -> None:
    text = TABLES["wide"].head() + TABLES["wide"].lines(map(known, CASES))
    assert text.count("\r\n") == len(CASES) + 1
    assert "\n" not in text.replace("\r\n", "")
    assert text.endswith("\r\n")
    text.encode("utf-8")


@given(st.one_of(st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", '=a,"b"', "\t=1"]), st.text()))
def test_a_stranger_s_text_is_no_formula_and_breaks_no_row(evil: str) -> None:
    acquisition = say.MADE.model_copy(update={"manufacturer": evil, "scanner_model": "x,\n=1"})
    changes: dict[str, Any] = {"acquisition": acquisition}
    facts = [f.model_copy(update=changes) for f in (say.received(), say.extracted(), say.scored())]
    found = scan(*facts, say.predicted())
    told = Known.of(found)
    (row,) = rows(TABLES["wide"].head() + TABLES["wide"].lines([told]))
    assert row["manufacturer"] == (f"'{evil}" if evil.startswith(STARTS_A_FORMULA) else evil)
    assert row["scanner_model"] == "x,\n=1"
    assert row["hippocampus_total_z"] == "-2.4", "a number of ours keeps its sign"


@pytest.mark.parametrize("shape", TABLES)
def test_no_account_and_no_day_stands_in_it(shape: str) -> None:
    text = TABLES[shape].head() + TABLES[shape].lines(map(known, CASES))
    assert say.ANNA not in text and "2020-02-02" not in text and "2026-" not in text


def test_the_page_describes_every_column() -> None:
    page = (ROOT / "docs" / "CSV.md").read_text(encoding="utf-8")
    for family in columns.FAMILIES:
        assert f"### {family.title}\n" in page
        for column in family.columns:
            cells = (f"`{column.name}`", column.unit, column.meaning)
            assert f"| {' | '.join(cells)} |" in page, column.name
        if len(family.names) > 1:
            assert ", ".join(f"`{name}`" for name in family.names.values()) in page
    assert list(measures.MEANINGS) == measures.headings()[len(measures.LEAD) :]
    for name, meaning in measures.MEANINGS.items():
        assert f"| `{name}` | {meaning} |" in page


# --- over HTTP -----------------------------------------------------------------------------------


async def hear(api: Api, count: int, user_id: str | None = say.ANNA, first: int = 0) -> None:
    """Say of so many scans that they are finished."""
    for number in range(first, first + count):
        changes = {"scan_id": f"scan-{number:04}", "user_id": user_id}
        for fact in (*START, say.scored(), say.withheld()):
            await api.hear(say.at(fact.model_copy(update=changes), number))


async def test_one_scan_is_served_long_recorded_and_not_sent_twice(
    api: Api, client: Client
) -> None:
    for seconds, fact in enumerate(CASES["change"]):
        await api.hear(say.at(fact, seconds))
    headers = api.bearer(say.ANNA)
    response = await client.get(ONE, headers=headers)
    assert (response.status, response.content_type) == (200, "text/csv")
    assert "attachment" in response.headers["Content-Disposition"]
    assert rows(await response.text()) == table("long", "change")
    read = (await api.said())[-1]
    assert isinstance(read, e.AccessRead)
    assert (read.action, read.scan_id) == ("imaging.measurements", say.SCAN)
    tag = {"If-None-Match": response.headers["ETag"]}
    assert (await client.get(ONE, headers=headers | tag)).status == 304
    wide = await client.get(f"{ONE}?shape=wide", headers=headers)
    assert rows(await wide.text()) == table("wide", "change")
    bad = await client.get(f"{ONE}?shape=round", headers=headers)
    assert (bad.status, (await bad.json())["code"]) == (422, "bad_shape")


async def test_one_scan_waits_for_its_end(api: Api, client: Client) -> None:
    await api.hear(say.at(say.received(), 0))
    early = await client.get(ONE, headers=api.bearer(say.ANNA))
    assert (early.status, (await early.json())["code"]) == (409, "not_ready")
    assert (await client.get(ONE, headers=api.bearer("berta"))).status == 404


async def test_all_that_one_may_see_is_streamed_in_pages_and_every_look_recorded(
    api: Api, client: Client
) -> None:
    count = PAGE + 3
    await hear(api, count)
    await hear(api, 1, "berta", first=count)
    dora = api.bearer("dora", "clinician")
    before = len(await api.said())
    response = await client.get(ALL, headers=dora)
    assert (response.status, response.content_type) == (200, "text/csv")
    assert response.headers["Cache-Control"] == "no-store"
    found = rows(await response.text())
    names = [f"scan-{number:04}" for number in reversed(range(count + 1))]
    assert [row["id"] for row in found] == names
    looks = [fact for fact in (await api.said())[before:] if isinstance(fact, e.AccessRead)]
    assert {look.action for look in looks} == {"measurements.search"}
    assert {look.user_id for look in looks} == {say.ANNA, "berta", None}
    own = rows(await (await client.get(ALL, headers=api.bearer("berta"))).text())
    assert [row["id"] for row in own] == names[:1]
    some = await client.get(f"{ALL}?user_id=berta&shape=long", headers=dora)
    assert {row["id"] for row in rows(await some.text())} == {names[0]}
    nobody = await client.get(ALL, headers=api.bearer("nobody"))
    assert rows(await nobody.text()) == []
    assert (await client.get(ALL, headers=api.bearer("x", "compliance"))).status == 403
    assert (await client.get(f"{ALL}?user_id=%00", headers=dora)).status == 422


def narrow(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    """Make a socket that takes little at once, so that whoever reads slowly is waited for."""
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    made.bind((host, port))
    return made


async def test_a_table_ends_where_consent_is_taken_back_or_nobody_reads_on(
    api: Api, stopping: asyncio.Event
) -> None:
    pages, pool = 4, api.platform.pool
    await hear(api, 1)
    for more in (
        "insert into scan select 'x-' || n, subject_id, user_id, created_at, updated_at"
        " from scan, generate_series(2, $1::int) n",
        "insert into scan_fact select 'x-' || n, kind, at, data, first_at"
        " from scan_fact, generate_series(2, $1::int) n",
    ):
        await pool.execute(more, pages * PAGE)
    grant = "insert into access_grant values ($1, 'carla', $2, true, now())"
    await pool.execute(grant, say.ANNA, say.SUBJECT)

    async def looks() -> int:
        return sum(isinstance(fact, e.AccessRead) for fact in await api.said())

    app = build_app([(api.platform, api.service)], stopping)
    async with TestClient(TestServer(app, socket_factory=narrow)) as client:
        url, carla = f"{ALL}?shape=long", api.bearer("carla", "caregiver")
        shared = await client.get(url, headers=carla)
        gone = await client.delete("/api/v1/access/grants/carla", headers=api.bearer(say.ANNA))
        assert gone.status == 200
        scans = {row["id"] for row in rows(await shared.text())}
        assert PAGE <= len(scans) < pages * PAGE, "what was fetched before, whole, and no more"

        before = await looks()
        left = await client.get(url, headers=api.bearer(say.ANNA))
        left.close()
        await asyncio.sleep(0.3)
        stopped = await looks() - before
        assert 2 <= stopped < pages + 1, "the list, and the pages that were made"
        again = await client.get(url, headers=api.bearer(say.ANNA))
        assert len({row["id"] for row in rows(await again.text())}) == pages * PAGE
        assert await looks() - before - stopped == pages + 1
