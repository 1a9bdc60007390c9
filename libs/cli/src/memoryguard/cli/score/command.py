# SPDX-License-Identifier: Apache-2.0
"""``memoryguard score``: a table of people in, their scores out, with what was withheld and why."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Generator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO, TypeAlias

from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from memoryguard.cli.access import AsJson
from memoryguard.cli.score.columns import Software, documented, schema_page
from memoryguard.cli.score.results import OTHER, Flat, Result, refused
from memoryguard.cli.score.rows import ROW
from memoryguard.cli.score.scorer import Scorer, Wanted
from memoryguard.cli.score.summary import Summary
from memoryguard.cli.score.table import Table
from memoryguard.cli.words import printable
from memoryguard.common.errors import Rejected
from memoryguard.common.files import whole

NOTICE = "Research software, not a medical device: no score is a diagnosis."
TOLD_ROWS = 20

Write: TypeAlias = Callable[[Result, Flat], None]


TableFile: TypeAlias = Annotated[Path | None, Parameter(help="CSV in UTF-8; see docs/SCORE.md.")]
Program: TypeAlias = Annotated[Software | None, Parameter(help="Program that measured.")]
OutFile: TypeAlias = Annotated[
    Path | None, Parameter(help="Write here, and not to standard output.")
]


def score(
    table: TableFile = None,
    *,
    software: Program = None,
    software_version: str | None = None,
    out: OutFile = None,
    ignore: Annotated[list[str] | None, Parameter(help="A column to leave out.")] = None,
    strict: Annotated[bool, Parameter(negative="", help="Refuse a table with a bad row.")] = False,
    no_risk: Annotated[bool, Parameter(negative="", help="Only z-scores; faster.")] = False,
    schema: Annotated[bool, Parameter(negative="", help="Print the columns and end.")] = False,
    json: AsJson = False,
) -> None:
    """Score a table of people without any server: z-scores, centiles, change, risk, reasons."""
    if schema:
        return print_schema(as_json=json)
    if table is None or software is None:
        raise Rejected("table_not_named", "give a table and --software", "memoryguard score --help")
    wanted = Wanted(software, software_version, tuple(ignore or ()), strict, not no_risk, json)
    score_table(table, wanted, out, Console(stderr=True))


def score_table(path: Path, wanted: Wanted, out: Path | None, err: Console) -> Summary:
    """Score a table.

    Parameters
    ----------
    path
        The table.
    wanted
        What is asked for.
    out
        Where the scores go, whole or not at all; standard output by default.
    err
        Hears of the progress, of bad rows and the summary.

    Raises
    ------
    Rejected
        The table cannot be read, or a row of it where `wanted` is strict.
    """
    if not path.is_file():
        raise Rejected("no_such_file", "the table does not exist")
    if out is not None and out.exists() and out.samefile(path):
        raise Rejected("same_file", "the scores would take the table's place", "name another --out")
    summary = Summary()
    with path.open("rb") as file, _target(out) as sink:
        scorer = Scorer(Table(file), wanted)
        names = scorer.columns()
        _say(err, NOTICE)
        _tell_columns("not known, and left out", scorer.header.unknown, err)
        _tell_columns("without a norm for this program", scorer.without_norm(), err)
        write = _writer(sink, names, as_json=wanted.as_json)
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            for result in progress.track(scorer.results(), total=scorer.count_rows()):
                _tell_row(result, summary.bad, wanted.strict, err)
                flat = _flat(result, names, over_time=scorer.header.longitudinal)
                write(result, flat)
                summary.add(result, flat)
    for line in summary.lines():
        _say(err, line)
    return summary


def print_schema(*, as_json: bool) -> None:
    """Print every column that a table may have."""
    print(json.dumps(documented(), ensure_ascii=False) if as_json else schema_page())


def _writer(sink: TextIO, names: Sequence[str], *, as_json: bool) -> Write:
    def document(result: Result, flat: Flat) -> None:
        sink.write(json.dumps(result.document(), ensure_ascii=False) + "\n")

    if as_json:
        return document
    table = csv.DictWriter(sink, names, lineterminator="\n")
    table.writeheader()
    known = frozenset(names)

    def row(result: Result, flat: Flat) -> None:
        others = _others(flat, known)
        table.writerow({**flat, OTHER: json.dumps(others) if others else ""})

    return row


def _others(flat: Flat, known: Set[str]) -> Flat:
    """Take out what has no column: an empty cell of a region that no norm scores has reasons."""
    taken = {name: flat.pop(name) for name in flat.keys() - known}
    return {n: v for n, v in taken.items() if v not in (None, "") and not n.endswith("_reason")}


@contextmanager
def _target(out: Path | None) -> Generator[TextIO]:
    """Open what is written to; a file appears under its name when it is complete."""
    if out is None:
        yield sys.stdout
        return
    if not out.parent.is_dir():
        raise Rejected("no_such_folder", "the folder for the scores does not exist")
    with whole(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        yield file


def _flat(result: Result, names: list[str], *, over_time: bool) -> Flat:
    if ROW in result.measured.problems:
        return refused(names, result)
    return result.flat(over_time=over_time)


def _tell_columns(what: str, names: Sequence[str], err: Console) -> None:
    if names:
        shown = ", ".join(printable(name)[:60] for name in names[:TOLD_ROWS])
        more = f" and {len(names) - TOLD_ROWS} more" if len(names) > TOLD_ROWS else ""
        _say(err, f"columns {what}: {shown}{more}")


def _tell_row(result: Result, told: int, strict: bool, err: Console) -> None:
    """Say what is wrong in a row, never what stands in it."""
    if not result.measured.problems:
        return
    found = result.measured.problems.items()
    said = ", ".join(code if column == ROW else f"{column}: {code}" for column, code in found)
    if strict:
        raise Rejected(
            "bad_row", f"row {result.number}: {said}", "correct it, or leave --strict out"
        )
    if told < TOLD_ROWS:
        _say(err, f"row {result.number}: {said}")
    elif told == TOLD_ROWS:
        _say(err, "more rows have something wrong: see the column problems")


def _say(err: Console, line: str) -> None:
    err.print(line, highlight=False, markup=False, soft_wrap=True)
