# SPDX-License-Identifier: Apache-2.0
"""Tests that prove a control: found by their markers, read as syntax, and run.

``@pytest.mark.control(paragraph, claim)`` says what a test proves. With ``off="…"`` the test shows
that the proof can fail: it runs the same check with the control switched off, and says by what.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest

MARKER = "control"
PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Mark:
    """One marker: which test, for which claim of which paragraph, and what it switches off."""

    test: str
    paragraph: str
    claim: str
    off: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a test, in how many cases, and on which day (ISO 8601, UTC)."""

    outcome: str
    cases: int
    on: str


Results: TypeAlias = Mapping[str, Result]
"""By the test's id, without its parameters."""


# --- markers -------------------------------------------------------------------------------


def marks_in(root: Path) -> list[Mark]:
    """Find every marker below ``tests``, sorted by file and line."""
    return [
        mark
        for path in sorted((root / "tests").rglob("test_*.py"))
        for mark in marks_of(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]


def marks_of(source: str, file: str) -> list[Mark]:
    """Find the markers of one file.

    Raises
    ------
    ValueError
        A marker is not a decorator of a test, or its arguments are not plain texts.
    """
    tree = ast.parse(source)
    found = [
        _mark(f"{file}::{test.name}", decorator)
        for test in tree.body
        if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in test.decorator_list
        if _is_marker(decorator)
    ]
    if len(found) != sum(_is_marker(node) for node in ast.walk(tree)):
        raise ValueError(f"{file}: mark test functions with {MARKER}, and nothing else")
    return found


def _is_marker(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{MARKER}"


def _mark(test: str, call: ast.expr) -> Mark:
    assert isinstance(call, ast.Call)  # noqa: S101  # seen by _is_marker
    try:
        places = [ast.literal_eval(argument) for argument in call.args]
        names = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return Mark(test, *places, **names)
    except (ValueError, TypeError) as error:
        raise ValueError(f'{test}: write {MARKER}("paragraph", "claim", off="what")') from error


# --- results -------------------------------------------------------------------------------


class Watcher:
    """A pytest plugin that keeps the worst outcome of each test, over all of its cases."""

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a phase of a test."""
        if report.when == "call" or report.outcome != PASSED:
            seen = self._seen.setdefault(report.nodeid.split("[")[0], [])
            seen.append(report.outcome)

    def results(self) -> dict[str, Result]:
        """Sum up as of today; a test of which one case was left out is not passed."""
        on = datetime.now(UTC).date()
        return {
            test: Result(
                next((word for word in ("failed", "skipped") if word in seen), PASSED),
                len(seen),
                on.isoformat(),
            )
            for test, seen in sorted(self._seen.items())
        }


def run(root: Path, tests: Sequence[str]) -> dict[str, Result]:
    """Run tests; what became of them."""
    watcher = Watcher()
    places = [str(root / test) for test in tests]
    pytest.main(["-q", "--rootdir", str(root), *places], plugins=[watcher])
    return watcher.results()


def read_results(file: Path) -> dict[str, Result]:
    """Read what was written; empty when there is nothing yet."""
    if not file.exists():
        return {}
    document = json.loads(file.read_text(encoding="utf-8"))
    return {test: Result(**result) for test, result in document.items()}


def write_results(file: Path, results: Results) -> None:
    """Write results, one test a line, so that changes read well."""
    lines = [
        f"  {json.dumps(test)}: {json.dumps(asdict(r))}" for test, r in sorted(results.items())
    ]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def tests_of(marks: Sequence[Mark]) -> Iterator[str]:
    """Name each marked test once."""
    yield from dict.fromkeys(mark.test for mark in marks)
