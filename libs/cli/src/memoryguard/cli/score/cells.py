# SPDX-License-Identifier: Apache-2.0
"""The cells of one row, read by the name of their column. What cannot be read is a problem."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from memoryguard.cli.score.columns import Column

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
SEX: Mapping[str, Literal["F", "M"]] = {"f": "F", "female": "F", "m": "M", "male": "M"}
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MAX_TEXT = 200


class Cells:
    """A row.

    Parameters
    ----------
    places
        Where each column stands, by its documented name.
    cells
        The row's cells.

    Attributes
    ----------
    problems
        Code of everything that could not be read or believed, by column.
    """

    def __init__(self, places: Mapping[str, int], cells: Sequence[str]) -> None:
        self._places = places
        self._cells = cells
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        """Read words; None where the cell is missing."""
        text = self._cell(name)
        if len(text) > MAX_TEXT or not text.isprintable():
            return self._problem(name, "text_unusable")
        return text or None

    def number(self, column: Column) -> float | None:
        """Read a number within the column's limits."""
        text = self._cell(column.name)
        if not text:
            return None
        if not NUMBER.fullmatch(text):
            return self._problem(column.name, "decimal_comma" if "," in text else "not_a_number")
        value = float(text)
        if value < 0.0:
            return self._problem(column.name, "negative_value")
        if not column.low <= value <= column.high:
            return self._problem(column.name, "implausible_value")
        if column.kind == "whole" and not value.is_integer():
            return self._problem(column.name, "not_a_whole_number")
        return value

    def sex(self) -> Literal["F", "M"] | None:
        """Read the sex; a digit may mean either."""
        text = self._cell("sex").casefold()
        if text in SEX or not text:
            return SEX.get(text)
        digit = NUMBER.fullmatch(text)
        return self._problem("sex", "sex_ambiguous" if digit else "sex_unknown")

    def day(self) -> date | None:
        """Read the day of the scan."""
        text = self._cell("scan_date")
        if not text:
            return None
        try:
            return date.fromisoformat(text if DAY.fullmatch(text) else "")
        except ValueError:
            return self._problem("scan_date", "not_an_iso_date")

    def _cell(self, name: str) -> str:
        place = self._places.get(name)
        if place is None or place >= len(self._cells):
            return ""
        text = self._cells[place].strip()
        return "" if text.casefold() in MISSING else text

    def _problem(self, name: str, code: str) -> None:
        self.problems[name] = code
