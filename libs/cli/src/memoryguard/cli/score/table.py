# SPDX-License-Identifier: Apache-2.0
"""A table on the disk, row by row: UTF-8, separated by commas, semicolons or tabs.

Rows are read as they are asked for and can be read again by their place, so that a table may be
larger than the memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from memoryguard.common.errors import Rejected

MAX_LINE_BYTES = 1 << 20
MAX_ROW_LINES = 100  # one quotation mark that is not closed would make the rest a single row
SEPARATORS = (",", ";", "\t")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the header is 1), its place in the file, and its cells."""

    number: int
    place: int
    cells: list[str]


class Table:
    """An open table.

    Parameters
    ----------
    file
        Where it is read from, opened for bytes.

    Raises
    ------
    Rejected
        ``table_empty``, ``table_not_utf8``, ``table_damaged``.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = len(BOM) if file.read(len(BOM)) == BOM else 0
        self._separator = ","
        file.seek(self._start)
        first = next(self._lines(1), "")
        self._separator = max(SEPARATORS, key=first.count)
        header = next(self._read(), None)
        if header is None:
            raise Rejected("table_empty", "the table is empty")
        self.header = header.cells

    def rows(self) -> Iterator[Row]:
        """Yield every row below the header that is not blank."""
        yield from (row for row in self._read() if row.number > 1)

    def again(self, row: int, place: int) -> Row:
        """Read a row once more."""
        return Row(row, place, self._cells(row, place) or [])

    def _read(self) -> Iterator[Row]:
        number, place = 1, self._start
        while (cells := self._cells(number, place)) is not None:
            after = self._file.tell()
            if any(cell.strip() for cell in cells):
                yield Row(number, place, cells)
            number, place = number + 1, after  # somebody may have read elsewhere meanwhile

    def _cells(self, number: int, place: int) -> list[str] | None:
        """Read the row at a place and stop behind it; None at the end."""
        self._file.seek(place)
        reader = csv.reader(self._lines(number), delimiter=self._separator, strict=True)
        try:
            return next(reader, None)
        except csv.Error as error:
            raise _damaged(number) from error

    def _lines(self, number: int) -> Iterator[str]:
        for _ in range(MAX_ROW_LINES):
            line = self._file.readline(MAX_LINE_BYTES)
            if not line:
                return
            if len(line) == MAX_LINE_BYTES:
                raise _damaged(number)
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise Rejected(
                    "table_not_utf8",
                    f"row {number} is not UTF-8",
                    "save the table as CSV UTF-8",
                ) from error
        raise _damaged(number)


def _damaged(number: int) -> Rejected:
    return Rejected(
        "table_damaged",
        f"row {number} cannot be taken apart",
        "is a quotation mark left open? Lines end in LF or CR LF",
    )
