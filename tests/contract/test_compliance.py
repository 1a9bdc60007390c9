# SPDX-License-Identifier: Apache-2.0
"""docs/COMPLIANCE.md claims what tests prove, and nothing else. Nothing is run here for it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import compliance
import pytest
from control_tests import Mark, Result, Watcher, marks_in, marks_of, read_results, write_results

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / compliance.PAGE).read_text(encoding="utf-8")
LINK = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)(.*)")


def test_nothing_is_wrong_with_the_page() -> None:
    results = read_results(ROOT / compliance.RESULTS)
    wrong = compliance.problems(compliance.read_text(), marks_in(ROOT), results)
    assert wrong == [], "run make compliance"


def test_the_page_names_every_marked_test_and_no_other() -> None:
    named = {f"{file}::{test}" for test, file, _ in LINK.findall(PAGE)}
    assert named == {mark.test for mark in marks_in(ROOT)}
    for test, file, _ in LINK.findall(PAGE):
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_the_page_shows_results_that_are_passed_and_nothing_else() -> None:
    said = [rest for _, _, rest in LINK.findall(PAGE)]
    assert len(said) >= 80
    assert [rest for rest in said if not re.search(r"\| passed \d{4}-\d\d-\d\d", rest)] == []


def test_every_table_of_tests_has_both_kinds() -> None:
    tables = PAGE.split("| Test | Same check, switched off: must fail with |")[1:]
    assert len(tables) >= 20
    for table in tables:
        rows = [row.split("|")[2].strip() for row in table.split("\n\n")[0].split("\n")[2:] if row]
        assert "" in rows and any(rows), table


# --- what the page is made with, on planted faults ------------------------------------------

TEXT = """
intro = "Words."
[[section]]
title = "Section"
text = ""
[[section.line]]
paragraph = "1(a)"
title = "Doors"
rule = "Close the doors."
not_covered = ["Windows."]
[[section.line.claim]]
name = "doors"
text = "Every door is closed."
"""
PROOF = Mark("tests/test_a.py::test_closed", "1(a)", "doors")
OFF = Mark("tests/test_a.py::test_open", "1(a)", "doors", "an open door")
PASSED = {mark.test: Result("passed", 1, "2026-01-01") for mark in (PROOF, OFF)}


def text() -> dict[str, Any]:
    return tomllib.loads(TEXT)


def test_a_claim_with_both_tests_is_printed() -> None:
    page = compliance.page(text(), [PROOF, OFF], PASSED)
    assert "Every door is closed." in page
    assert "| an open door | passed 2026-01-01 |" in page
    assert "Not covered:\n- Windows." in page
    assert compliance.problems(text(), [PROOF, OFF], PASSED) == []


@pytest.mark.parametrize("marks", [[], [PROOF], [OFF]])
def test_a_claim_without_either_is_not(marks: list[Mark]) -> None:
    page = compliance.page(text(), marks, PASSED)
    assert "Every door is closed." not in page
    assert "**Not covered.**\n- Windows." in page
    assert "| 1(a) | Doors |  | not covered |  |" in page
    assert len(compliance.problems(text(), marks, PASSED)) >= 2


@pytest.mark.parametrize("outcome", ["failed", "skipped", None])
def test_a_result_that_is_not_passed_is_shown_and_said(outcome: str | None) -> None:
    results = PASSED | {OFF.test: Result(outcome, 1, "2026-01-01")} if outcome else {}
    assert f"**{outcome or 'not run'}**" in compliance.page(text(), [PROOF, OFF], results)
    assert compliance.problems(text(), [PROOF, OFF], results)


def test_a_marker_for_nothing_and_a_result_of_nobody_are_said() -> None:
    stray = Mark("tests/test_a.py::test_closed", "1(b)", "doors")
    assert "1(b) doors" in compliance.problems(text(), [PROOF, OFF, stray], PASSED)[0]
    gone = PASSED | {"tests/test_a.py::test_gone": Result("passed", 1, "2026-01-01")}
    (wrong,) = compliance.problems(text(), [PROOF, OFF], gone)
    assert "test_gone" in wrong


SOURCE = """
@pytest.mark.slow
@pytest.mark.control("1(a)", "doors")
async def test_closed(): ...

@pytest.mark.control("1(a)", "doors", off="an open door")
def test_open(): ...
"""


def test_markers_are_read_as_they_stand() -> None:
    assert marks_of(SOURCE, "tests/test_a.py") == [PROOF, OFF]


@pytest.mark.parametrize(
    "source",
    [
        'pytestmark = pytest.mark.control("1(a)", "doors")',
        '@pytest.mark.control("1(a)", "doors")\nclass TestDoors: ...',
        '@pytest.mark.control("1(a)")\ndef test_closed(): ...',
        '@pytest.mark.control("1(a)", NAME)\ndef test_closed(): ...',
        '@pytest.mark.control("1(a)", "doors", on="x")\ndef test_closed(): ...',
    ],
)
def test_a_marker_that_would_be_passed_over_is_an_error(source: str) -> None:
    with pytest.raises(ValueError, match=r"tests/test_a\.py"):
        marks_of(source, "tests/test_a.py")


def report(outcome: Any, case: str = "", when: Any = "call") -> pytest.TestReport:
    return pytest.TestReport(f"t.py::test_a{case}", ("t.py", 1, ""), {}, outcome, None, when)


@pytest.mark.parametrize(
    ("reports", "outcome", "cases"),
    [
        ([report("passed", "", "setup"), report("passed")], "passed", 1),
        ([report("passed", "[a]"), report("passed", "[b]")], "passed", 2),
        ([report("passed", "[a]"), report("failed", "[b]")], "failed", 2),
        ([report("passed", "[a]"), report("skipped", "[b]", "setup")], "skipped", 2),
        ([report("skipped", "[a]"), report("failed", "[b]", "setup")], "failed", 2),
        ([report("passed"), report("failed", "", "teardown")], "failed", 2),
    ],
)
def test_the_worst_case_is_the_result(
    tmp_path: Path, reports: list[pytest.TestReport], outcome: str, cases: int
) -> None:
    watcher = Watcher()
    for each in reports:
        watcher.pytest_runtest_logreport(each)
    (result,) = watcher.results().values()
    assert (result.outcome, result.cases) == (outcome, cases)
    write_results(tmp_path / "results.json", watcher.results())
    assert read_results(tmp_path / "results.json") == watcher.results()
