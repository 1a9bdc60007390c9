# SPDX-License-Identifier: Apache-2.0
"""Both tables as CSV (RFC 4180, UTF-8) that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from memoryguard.api.known import Known
from memoryguard.api.tables import columns, measures
from memoryguard.tlog.exported import guarded


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is written: its first line, and the rows of a scan."""

    headings: Callable[[], list[str]]
    rows: Callable[[Known], Iterable[list[object]]]

    def head(self) -> str:
        """Write the line with the columns' names."""
        return _lines([self.headings()])

    def lines(self, scans: Iterable[Known]) -> str:
        """Write the rows of several scans."""
        return _lines(row for known in scans for row in self.rows(known))


def _wide(known: Known) -> Iterator[list[object]]:
    yield columns.row(known)


def _long(known: Known) -> Iterator[list[object]]:
    lead = dict(zip(columns.SCAN.headings(), columns.SCAN.cells(known), strict=True))
    return measures.rows(known, lead)


TABLES: Final[Mapping[str, Table]] = {
    "wide": Table(columns.headings, _wide),
    "long": Table(measures.headings, _long),
}
"""By shape."""


def _lines(rows: Iterable[Iterable[object]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: object) -> str:
    """Write a cell: a number in full, and no text that a spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return guarded(value)
