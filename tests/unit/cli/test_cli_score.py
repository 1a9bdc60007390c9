# SPDX-License-Identifier: Apache-2.0
"""A table of people is scored row by row: what is there, and why the rest is not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from memoryguard.atrophy.answer import answer
from memoryguard.cli.score.columns import ENGINES, VOLUMES, every_column, schema_page
from memoryguard.cli.score.command import score_table
from memoryguard.cli.score.header import OTHER_UNITS, Header, read_header
from memoryguard.cli.score.rows import Reader
from memoryguard.cli.score.scorer import Wanted
from memoryguard.cli.score.summary import Moments
from memoryguard.cli.score.table import Table
from memoryguard.common.contracts.events import Engine
from memoryguard.common.errors import Rejected
from memoryguard.common.vocabulary import THICKNESS as THICKNESS_NAMES
from memoryguard.common.vocabulary import VOLUMES as VOLUME_NAMES

ROOT = Path(__file__).parents[3]
FREESURFER = Wanted("freesurfer", "6")
HEAD = "id,age_years,sex,hippocampus_left_mm3,hippocampus_right_mm3,intracranial_mm3"
LEFT = "hippocampus_left_mm3"
GOOD = "x,70,F,3400,3500,1400000"


class Scored:
    """What came out of a table, and what was said about it."""

    def __init__(self, folder: Path, content: bytes, wanted: Wanted) -> None:
        (folder / "table.csv").write_bytes(content)
        self.said = io.StringIO()
        err = Console(file=self.said, width=10_000)
        self.out = folder / "scores.csv"
        self.summary = score_table(folder / "table.csv", wanted, self.out, err)

    @property
    def rows(self) -> list[dict[str, str]]:
        return _table(self.out)


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., Scored]:
    def run(*lines: str, wanted: Wanted = FREESURFER, content: bytes = b"") -> Scored:
        return Scored(tmp_path, content or "\n".join(lines).encode(), wanted)

    return run


# --- what a row becomes --------------------------------------------------------------------------


def test_the_service_s_own_answer_stands_in_the_row(scored: Callable[..., Scored]) -> None:
    (row,) = scored(HEAD, GOOD).rows
    header = read_header(HEAD.split(","), "freesurfer")
    scan = Reader(header, FREESURFER.engine).read(GOOD.split(","), 2).scan
    expected = answer(scan).regions["hippocampus_total"]
    assert float(row["hippocampus_total_z"]) == expected.z
    assert float(row["hippocampus_total_centile"]) == expected.centile
    assert row["hippocampus_total_severity"] == expected.severity
    assert expected.volume_mm3 == 6900.0  # formed from the sides
    assert (row["id"], row["person"], row["row"]) == ("x", "x", "2")
    assert row["engine"] == "freesurfer" and row["engine_version"] == "6"
    assert row["lateral_ventricles_z"] == ""
    assert row["lateral_ventricles_reason"] == "not_measured"
    assert float(row["hippocampus_asymmetry_percent"]) == pytest.approx(-200 * 100 / 6900)
    groups = {n: float(v) for n, v in row.items() if n.startswith("probability_")}
    stated = {n: v for n, v in groups.items() if not n.endswith(("_low", "_high"))}
    assert sum(stated.values()) == pytest.approx(1.0, abs=1e-6)
    assert all(groups[f"{n}_low"] <= v <= groups[f"{n}_high"] for n, v in stated.items())
    parts = [float(v) for name, v in row.items() if name.startswith("contribution") and v]
    assert sum(parts) == pytest.approx(float(row["dementia_similarity"]), abs=1e-6)
    assert len(row["model_sha256"]) == 64
    assert all(len(pack.split(":")) == 3 for pack in row["packs"].split()) and row["packs"]


def test_columns_are_the_same_for_every_table(scored: Callable[..., Scored]) -> None:
    some = scored(HEAD, GOOD).rows[0]
    other = scored("age,Left-Hippocampus,sex", "70,,F", wanted=FREESURFER).rows[0]
    assert list(some) == list(other)
    assert other["id"] == "2"  # its number, where it has no name


def test_a_column_stands_for_what_it_says_whatever_the_program_calls_it(
    scored: Callable[..., Scored],
) -> None:
    ours = scored(HEAD, GOOD).rows
    head = "Measure:volume,age,sex,Left-Hippocampus,Right-Hippocampus,EstimatedTotalIntraCranialVol"
    assert scored(head, GOOD).rows == ours
    assert scored(head.replace("EstimatedTotalIntraCranialVol", "eTIV"), GOOD).rows == ours
    synthseg = Wanted("synthseg")
    plain = "subject,age,sex,left hippocampus,right hippocampus,total intracranial"
    prefixed = plain.replace("left", "vol_left").replace("right", "vol_right")
    wanted = scored(HEAD, GOOD, wanted=synthseg).rows
    assert scored(plain, GOOD, wanted=synthseg).rows == wanted
    assert scored(prefixed, GOOD, wanted=synthseg).rows == wanted
    thick, row = f"{HEAD},mean_cortical_thickness_mm", f"{GOOD},2.4"
    assert scored(f"{HEAD},cortex_mean_mm", row).rows == scored(thick, row).rows


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b",", b";"),
        lambda text: text.replace(b",", b"\t"),
        lambda text: text.replace(b"\nx,", b'\n"x",').replace(b"F", b" female "),
        lambda text: text + b"\n\n,,,,,\n",
        lambda text: text.replace(b"\n", b",,\n") + b",,",
    ],
    ids=["bom", "crlf", "semicolons", "tabs", "quotes", "blank rows", "empty columns"],
)
def test_a_table_may_be_written_in_many_ways(
    scored: Callable[..., Scored], change: Callable[[bytes], bytes]
) -> None:
    text = f"{HEAD}\n{GOOD}".encode()
    assert scored(content=change(text)).rows == scored(content=text).rows


def test_earlier_rows_of_a_person_tell_the_change(scored: Callable[..., Scored]) -> None:
    head = f"person,scan_date,{HEAD}"
    lines = [
        "p,2024-01-01,late,74,F,3200,3300,1400000",  # in any order
        "p,2020-01-01,early,70,F,3500,3600,1400000",
        "q,2024-01-01,other,74,F,3200,3300,1400000",
        "p,,undated,74,F,3200,3300,1400000",
    ]
    late, early, other, undated = scored(head, *lines).rows
    assert float(late["hippocampus_total_percent_per_year"]) == pytest.approx(
        100 * ((6500 / 7100) ** (365.25 / 1461) - 1)
    )
    low, high = (float(late[f"hippocampus_total_percent_per_year_{e}"]) for e in ("low", "high"))
    assert low < float(late["hippocampus_total_percent_per_year"]) < high
    assert late["hippocampus_total_scans"] == "2"
    assert early["change_reason"] == other["change_reason"] == "fewer_than_two_scans"
    assert undated["change_reason"] == "acquisition_date_unknown"
    for row in (early, other, undated):
        assert row["hippocampus_total_percent_per_year"] == ""


def test_json_has_the_whole_facts(tmp_path: Path, scored: Callable[..., Scored]) -> None:
    done = scored(HEAD, GOOD, "y,,F,3400,3500,", wanted=Wanted("freesurfer", as_json=True))
    first, second = map(json.loads, done.out.read_text().splitlines())
    assert first["risk"]["explained"] == "dementia_similarity"
    assert first["atrophy"]["regions"]["hippocampus_left"]["volume_mm3"] == 3400
    assert second["atrophy"]["regions"]["hippocampus_left"]["reason"] == "intracranial_unknown"
    assert {reason["code"] for reason in second["risk"]["reasons"]} == {"required_input_missing"}


def test_a_row_with_everything_leaves_nothing_without_a_column(
    scored: Callable[..., Scored],
) -> None:
    columns = [column for column in every_column() if column.example]
    today = [column.example for column in columns]
    before = [{"id": "s01-1", "scan_date": "2019-06-30"}.get(c.name, c.example) for c in columns]
    rows = scored(*(",".join(cells) for cells in ([c.name for c in columns], before, today))).rows
    assert [(row["problems"], row["other"]) for row in rows] == [("", ""), ("", "")]
    assert rows[1]["contribution_hippocampus_percent_per_year"]
    assert rows[1]["cortex_mean_z"] and rows[1]["hippocampal_summary"]


def test_without_risk_nothing_is_said_of_it(scored: Callable[..., Scored]) -> None:
    (row,) = scored(HEAD, GOOD, wanted=Wanted("freesurfer", "6", risk=False)).rows
    assert row["hippocampus_total_z"]
    assert not [name for name in row if "dementia" in name or "model" in name]


def test_totals_are_formed_and_sides_are_not(scored: Callable[..., Scored]) -> None:
    head = "id,age,sex,intracranial_mm3,lateral_ventricles_mm3,hippocampus_total_mm3"
    (row,) = scored(head, "x,70,F,1400000,20000,6900").rows
    assert row["lateral_ventricles_z"] and row["hippocampus_total_z"]
    assert row["lateral_ventricle_left_reason"] == row["hippocampus_left_reason"] == "not_measured"


def test_the_brain_of_synthseg_is_all_its_labels() -> None:
    known = {
        name: c.own["synthseg"][0] for name, c in VOLUMES.items() if c.own and c.own["synthseg"]
    }
    outside = ("intracranial", "ventricle", "csf")
    labels = [n for n in known if not any(word in n for word in outside)]
    header = read_header([known[name] for name in labels], "synthseg")
    reader = Reader(header, Engine(name="synthseg", version="2", weights_sha256=""))
    cells = [str(VOLUMES[name].low + 1) for name in labels]
    volumes = reader.read(cells, 2).scan.volumes_mm3
    assert volumes["total_brain"].value == pytest.approx(sum(map(float, cells)))
    assert set(volumes) <= set(VOLUME_NAMES)
    cells[-1] = ""
    assert reader.read(cells, 2).scan.volumes_mm3["total_brain"].value is None


# --- what is wrong in a table --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "problem", "reason"),
    [
        ("x,,F,3400,3500,1400000", "", "age_unknown"),
        ("x,NA,F,3400,3500,1400000", "", "age_unknown"),
        ("x,nan,F,3400,3500,1400000", "", "age_unknown"),
        ("x,abc,F,3400,3500,1400000", "age_years:not_a_number", "age_unknown"),
        ("x,-4,F,3400,3500,1400000", "age_years:negative_value", "age_unknown"),
        ("x,70,1,3400,3500,1400000", "sex:sex_ambiguous", "sex_unknown"),
        ("x,70,yes,3400,3500,1400000", "sex:sex_unknown", "sex_unknown"),
        ("x,70,F,3.4,3500,1400000", f"{LEFT}:implausible_value", "implausible_value"),
        ("x,70,F,1e400,3500,1400000", f"{LEFT}:implausible_value", "implausible_value"),
        ("x,70,F,inf,3500,1400000", f"{LEFT}:not_a_number", "not_a_number"),
        ('x,70,F,"3,4",3500,1400000', f"{LEFT}:decimal_comma", "decimal_comma"),
        ("x,70,F,3400,3500,1400", "intracranial_mm3:implausible_value", "intracranial_unknown"),
        ("x,70,F,3400,3500", "row:wrong_number_of_cells", "wrong_number_of_cells"),
        ("x,70,F,3400,3500,1400000,7", "row:wrong_number_of_cells", "wrong_number_of_cells"),
    ],
)  # fmt: skip
def test_what_cannot_be_believed_is_a_reason_and_not_scored(
    scored: Callable[..., Scored], cells: str, problem: str, reason: str
) -> None:
    done = scored(HEAD, cells, GOOD.replace("x", "y"))
    bad, good = done.rows
    assert bad["problems"] == problem
    assert bad["hippocampus_left_z"] == "" and bad["hippocampus_total_z"] == ""
    assert bad["hippocampus_left_reason"] == reason
    assert good["hippocampus_left_z"] and not good["problems"]
    if problem:
        with pytest.raises(Rejected, match=r"bad_row: row 2: ") as strict:
            scored(HEAD, cells, wanted=Wanted("freesurfer", strict=True))
        column, _, code = problem.partition(":")
        assert (code if column == "row" else f"{column}: {code}") in strict.value.message
        assert not done.out.with_name("scores.csv.part").exists()
    assert done.summary.bad == bool(problem)


def test_a_bad_clinical_cell_leaves_the_volumes_alone(scored: Callable[..., Scored]) -> None:
    (row,) = scored(f"{HEAD},moca,apoe4_alleles", f"{GOOD},31,0.5").rows
    assert row["problems"] == "moca:implausible_value apoe4_alleles:not_a_whole_number"
    assert row["hippocampus_total_z"]


def test_a_name_that_comes_twice_is_nobody_s(scored: Callable[..., Scored]) -> None:
    rows = scored(HEAD, GOOD, GOOD.replace("3400", "3300"), GOOD.replace("x", "y")).rows
    assert [row["problems"] for row in rows] == ["row:id_repeated", "row:id_repeated", ""]
    assert [bool(row["hippocampus_left_z"]) for row in rows] == [False, False, True]


def test_a_total_that_its_sides_contradict_is_withheld(scored: Callable[..., Scored]) -> None:
    (row,) = scored(f"{HEAD},hippocampus_total_mm3", f"{GOOD},3450").rows
    assert row["problems"] == "hippocampus_total_mm3:total_differs_from_parts"
    assert row["hippocampus_total_reason"] == "total_differs_from_parts"
    assert row["hippocampus_left_z"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "table_empty"),
        (b"\n\n", "table_empty"),
        (HEAD.encode(), "table_empty"),
        (b"id,age\nx,70", "no_known_column"),
        (f"{HEAD}\nx,70,F,\xe9".encode("latin-1"), "table_not_utf8"),
        (f"{HEAD}\n{GOOD}".encode("utf-16"), "table_not_utf8"),
        (f'{HEAD}\n"x,70\n{GOOD}'.encode(), "table_damaged"),
        (b"a" * (1 << 20), "table_damaged"),
        (f"{HEAD},eTIV\n{GOOD},1400000".encode(), "column_twice"),
        (f"{HEAD},{HEAD}\n{GOOD},{GOOD}".encode(), "column_twice"),
        (HEAD.replace("intracranial_mm3", "intracranial_ml").encode(), "column_in_other_unit"),
        (HEAD.replace("intracranial_mm3", "intracranial").encode(), "column_without_unit"),
        (HEAD.replace("age_years", "age_months").encode(), "column_in_other_unit"),
    ],
)
def test_a_table_that_cannot_be_trusted_is_refused(
    tmp_path: Path, scored: Callable[..., Scored], content: bytes, code: str
) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(Rejected) as refused:
        score_table(tmp_path / "table.csv", FREESURFER, tmp_path / "out.csv", Console(quiet=True))
    assert refused.value.code == code
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv"}


@given(
    st.sampled_from(sorted(VOLUMES)), st.sampled_from(OTHER_UNITS), st.sampled_from(sorted(ENGINES))
)
def test_units_cannot_be_mixed(volume: str, unit: str, software: Any) -> None:
    with pytest.raises(Rejected) as refused:
        read_header(["id", f"{volume}{unit}".upper()], software)
    assert refused.value.code == "column_in_other_unit"


def test_a_column_can_be_left_out_by_name(scored: Callable[..., Scored]) -> None:
    wanted = Wanted("freesurfer", "6", ignore=("ETIV",))
    assert scored(f"{HEAD},eTIV", f"{GOOD},7", wanted=wanted).rows == scored(HEAD, GOOD).rows


@pytest.mark.parametrize("cell", ["", "1500"])
def test_a_cell_of_a_region_without_a_norm_may_be_empty(
    scored: Callable[..., Scored], cell: str
) -> None:
    (row,) = scored(f"{HEAD},thalamus_left_mm3", f"{GOOD},{cell}").rows
    assert row["hippocampus_left_z"]
    assert row["other"] == ""


def test_messages_name_rows_and_never_values(scored: Callable[..., Scored]) -> None:
    secret = "Lovelace"
    lines = [f"{secret}{n},{secret},{secret},{secret},3500,1400000" for n in range(30)]
    said = scored(f"{HEAD},evil\x1b[2Jname", *(f"{line},{secret}" for line in lines)).said
    text = said.getvalue()
    assert secret not in text and "\x1b" not in text
    assert "row 2: hippocampus_left_mm3: not_a_number" in text
    assert "name" in text  # the unknown column is named, without what moves a cursor
    assert text.count("row ") == 20
    assert "30 rows, 0 with a z-score" in text
    assert "Research software" in text


def test_the_table_is_never_written_over(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"{HEAD}\n{GOOD}")
    with pytest.raises(Rejected, match="same_file"):
        score_table(table, FREESURFER, table, Console(quiet=True))
    assert table.read_text() == f"{HEAD}\n{GOOD}"


@pytest.mark.timeout(10)
def test_a_long_cell_takes_no_long_time(scored: Callable[..., Scored]) -> None:
    (row,) = scored(HEAD, GOOD.replace("3400", f"{'1' * 100_000}x")).rows
    assert row["problems"] == f"{LEFT}:not_a_number"


CELL = st.one_of(
    st.sampled_from(
        ["", "NA", "F", "1", "x", '"', "a\nb", "1e999", "-0", "70", "3400", "2020-02-30"]
    ),
    st.text(max_size=8),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELL, max_size=9), max_size=6), st.binary(max_size=12))
def test_whatever_stands_in_a_table_is_scored_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    lines = "\n".join(";".join(row) for row in rows)
    head = f"person;scan_date;{HEAD.replace(',', ';')};moca"
    (folder / "table.csv").write_bytes(f"{head}\n{lines}".encode("utf-8", "replace") + noise)
    wanted = Wanted("freesurfer", "6", risk=False)
    try:
        score_table(folder / "table.csv", wanted, folder / "out.csv", Console(quiet=True))
    except Rejected as refused:
        assert refused.code in {"table_empty", "table_not_utf8", "table_damaged"}
    else:
        for row in _table(folder / "out.csv"):
            assert bool(row["hippocampus_left_z"]) != bool(row["hippocampus_left_reason"])


# --- the columns, and the numbers over a table ---------------------------------------------------


def test_every_region_and_thickness_has_a_column_and_an_example_that_is_believed() -> None:
    columns = list(every_column())
    names = [column.name for column in columns]
    assert len(names) == len(set(names))
    assert {f"{name}_mm3" for name in VOLUME_NAMES} <= set(names)
    with_example = [column for column in columns if column.example]
    header = Header({c.name: n for n, c in enumerate(with_example)}, len(with_example), ())
    measured = Reader(header, FREESURFER.engine).read([c.example for c in with_example], 1)
    assert not measured.problems
    assert set(measured.scan.volumes_mm3) == set(VOLUME_NAMES)
    assert set(measured.scan.thickness_mm) == set(THICKNESS_NAMES)
    assert all(c.low < c.high for c in columns if c.kind in ("number", "whole"))


def test_the_page_has_every_column() -> None:
    assert schema_page() in (ROOT / "docs" / "SCORE.md").read_text(encoding="utf-8")


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_moments_are_those_of_the_textbook(values: list[float]) -> None:
    moments = Moments()
    for value in values:
        moments.add(value)
    mean = sum(values) / len(values)
    assert moments.mean == pytest.approx(mean, abs=1e-9)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    assert moments.sd == pytest.approx(variance**0.5, abs=1e-6)


def test_rows_are_found_again_while_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,é\n3,z\n', encoding="utf-8")
    with path.open("rb") as file:
        table = Table(file)
        seen = []
        for row in table.rows():
            seen.append(row)
            assert all(table.again(old.number, old.place) == old for old in seen)
    assert [(row.number, row.cells) for row in seen] == [
        (2, ["1", "x\ny"]), (4, ["2", "é"]), (5, ["3", "z"]),
    ]  # fmt: skip


# --- healthy people of two tables beside the checkout --------------------------------------------


def test_healthy_people_of_freesurfer_are_scored_and_believed(
    shared_data: Path, tmp_path: Path
) -> None:
    rows = _table(shared_data / "tables" / "fcon1000.csv")
    for row in rows:
        row["sex"] = "M" if float(row["sex"]) else "F"
    wanted = Wanted("freesurfer", "6", ignore=("eTIV",), risk=False)
    summary = _score(rows, wanted, tmp_path)
    assert (summary.rows, summary.bad) == (1078, 0)
    assert summary.scored == sum(18 <= float(row["age"]) <= 94 for row in rows)
    assert abs(summary.z["hippocampus_total"].mean) < 0.6


def test_healthy_people_of_synthseg_are_scored_and_believed(
    shared_data: Path, tmp_path: Path
) -> None:
    tables = shared_data / "tables"
    who = {int(row["IXI_ID"]): row for row in _table(tables / "ixi_demographics.csv")}
    rows: list[dict[str, Any]] = []
    for row in _table(tables / "ixi_synthseg_volumes.csv"):
        person = who[int(row["subject_id"].removeprefix("IXI"))]
        rows.append(row | {"age": person["AGE"], "sex": person["SEX_LABEL"]})
    wanted = Wanted("synthseg", ignore=("subject_id",), risk=False)  # some are in it twice
    summary = _score(rows, wanted, tmp_path)
    assert (summary.rows, summary.bad) == (len(rows), 0)
    assert abs(summary.z["total_brain"].mean) < 0.5  # the norm's own people: our sum is its brain
    assert 0.7 < (summary.z["total_brain"].sd or 0) < 1.3


def _table(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _score(rows: list[dict[str, Any]], wanted: Wanted, folder: Path) -> Any:
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return score_table(path, wanted, folder / "scores.csv", Console(quiet=True))
