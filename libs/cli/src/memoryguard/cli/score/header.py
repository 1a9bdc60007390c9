# SPDX-License-Identifier: Apache-2.0
"""Which column of a table is what: one place for each thing, and never a guess about units."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from memoryguard.cli.score.columns import THICKNESS, VOLUMES, Column, Software, every_column
from memoryguard.common.errors import Rejected

UNITS = ("_mm3", "_mm", "_years", "_t")
OTHER_UNITS = (
    "_ml", "_cm3", "_cc", "_l", "_ul", "_cm", "_um", "_m3", "_dm3", "_voxels", "_months", "_days",
    "_gauss", "_percent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """Where each known column stands, by its documented name, and what is not known."""

    places: Mapping[str, int]
    width: int
    unknown: tuple[str, ...]

    @property
    def longitudinal(self) -> bool:
        """Whether one person may have several rows, in an order of time."""
        return {"person", "scan_date"} <= self.places.keys()


def read_header(cells: Sequence[str], software: Software, ignored: Collection[str] = ()) -> Header:
    """Find every known column.

    Parameters
    ----------
    cells
        The table's first line.
    software
        Program that measured: its own names are known beside ours.
    ignored
        Columns to leave out, as they are written in the table.

    Raises
    ------
    Rejected
        ``column_in_other_unit``, ``column_without_unit``, ``column_twice``,
        ``no_known_column``.
    """
    known = {_plain(name): column for column in every_column() for name in column.names(software)}
    left_out = {_plain(name) for name in ignored}
    places: dict[str, int] = {}
    unknown: list[str] = []
    for place, cell in enumerate(cells):
        name = _plain(cell)
        if not name or name in left_out:
            continue
        column = known.get(name)
        if column is None:
            _check_unit(name)
            unknown.append(cell.strip())
            continue
        if column.name in places:
            raise Rejected(
                "column_twice",
                f"two columns are {column.name}",
                "leave one out: --ignore NAME, as it is written in the table",
            )
        places[column.name] = place
    _check_useful(places)
    return Header(places, len(cells), tuple(unknown))


def _plain(name: str) -> str:
    return name.strip().casefold()


def _stem(column: Column) -> str:
    unit = next((unit for unit in UNITS if column.name.endswith(unit)), "")
    return column.name.removesuffix(unit) if unit else ""


_STEMS = {stem: column.name for column in every_column() if (stem := _stem(column))}


def _check_unit(name: str) -> None:
    """Refuse what is one of our columns but for its unit."""
    if name in _STEMS:
        raise Rejected(
            "column_without_unit",
            f"a column may be {_STEMS[name]}, but does not say its unit",
            f"name it {_STEMS[name]} if it is in that unit, or --ignore it",
        )
    unit = next((unit for unit in (*OTHER_UNITS, *UNITS) if name.endswith(unit)), None)
    if unit and name.removesuffix(unit) in _STEMS:
        right = _STEMS[name.removesuffix(unit)]
        raise Rejected(
            "column_in_other_unit",
            f"a column is in another unit than {right}",
            f"convert it and name it {right}: 1 ml = 1 cm³ = 1000 mm³; or --ignore it",
        )


def _check_useful(places: Mapping[str, int]) -> None:
    measured = {column.name for column in (*VOLUMES.values(), *THICKNESS.values())}
    if not measured & places.keys():
        raise Rejected(
            "no_known_column",
            "the table has no column with a volume or a thickness that is known",
            "memoryguard score --schema lists them; does --software name the right program?",
        )
