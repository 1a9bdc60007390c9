# SPDX-License-Identifier: Apache-2.0
"""One row of a table becomes the fact that says what was measured. Pure.

A cell that cannot be read or believed is a problem with a code: it counts as not measured, for
that reason, and the rest of the row stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memoryguard.cli.score.cells import Cells
from memoryguard.cli.score.columns import CLINICAL, PEOPLE, THICKNESS, VOLUMES
from memoryguard.cli.score.header import Header
from memoryguard.common.contracts.events import (
    Acquisition,
    Engine,
    Person,
    Quality,
    Quantity,
    VolumesExtracted,
)
from memoryguard.common.vocabulary import VOLUMES as REGIONS

ROW = "row"
NOT_MEASURED = "not_measured"
PARTS_DIFFER = "total_differs_from_parts"
TOLERANCE = 0.05  # a total and its sides that differ by more are not of one measurement

_BY_NAME = {column.name: column for column in PEOPLE}


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in ("left", "right"))


SIDES: Mapping[str, tuple[str, ...]] = {
    "hippocampus_total": _sides("hippocampus"),
    "lateral_ventricles": _sides("lateral_ventricle"),
    "cortical_grey_matter": _sides("cortical_grey"),
    "cerebral_white_matter": _sides("cerebral_white"),
}
"""Totals, and what they are formed of where only the sides are given."""

# All labels but ventricles and fluid: what the norm on SynthSeg's volumes calls the brain.
_SYNTHSEG_BRAIN = (
    *_sides(
        "cerebral_white", "cortical_grey", "cerebellar_white", "cerebellar_cortex", "thalamus",
        "caudate", "putamen", "pallidum", "hippocampus", "amygdala", "accumbens", "ventral",
    ),
    "brain_stem",
)  # fmt: skip
BRAIN: Mapping[str, tuple[str, ...]] = {"synthseg": _SYNTHSEG_BRAIN}
"""What the whole brain is formed of, by engine."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row says.

    Parameters
    ----------
    scan
        The fact for the next service.
    health
        Clinical measures by name; what is not known is absent.
    problems
        Code of everything that was not taken, by column; under `ROW` of the row as a whole.
    """

    scan: VolumesExtracted
    health: Mapping[str, float]
    problems: Mapping[str, str]


class Reader:
    """Reads the rows of one table.

    Parameters
    ----------
    header
        Where each column stands.
    engine
        What measured.
    """

    def __init__(self, header: Header, engine: Engine) -> None:
        self._header = header
        self._engine = engine
        self._totals = dict(SIDES)
        if engine.name in BRAIN:
            self._totals["total_brain"] = BRAIN[engine.name]

    def cells(self, cells: Sequence[str]) -> Cells:
        """Open a row."""
        return Cells(self._header.places, cells)

    def name(self, cells: Cells, number: int) -> str:
        """Name of a row: its number where it has none."""
        return cells.text("id") or str(number)

    def read(self, row: Sequence[str], number: int) -> Measured:
        """Read a row, whose number in the table is its name where it has none."""
        cells = self.cells(row)
        if len(row) < self._header.width or any(c.strip() for c in row[self._header.width :]):
            cells.problems[ROW] = "wrong_number_of_cells"
        name = self.name(cells, number)
        scan = VolumesExtracted(
            subject_id=cells.text("person") or name,
            scan_id=name,
            engine=self._engine,
            quality=Quality(verdict="accepted"),  # nobody tells: the table's people vouch for it
            volumes_mm3=self._volumes(cells),
            thickness_mm=self._thickness(cells),
            person=Person(age_years=cells.number(_BY_NAME["age_years"]), sex=cells.sex()),
            acquisition=Acquisition(
                acquired_on=cells.day(),
                manufacturer=cells.text("manufacturer"),
                scanner_model=cells.text("scanner_model"),
                field_strength_t=cells.number(_BY_NAME["field_strength_t"]),
            ),
            seconds={},
        )
        clinical = {column.name: cells.number(column) for column in CLINICAL}
        health = {name: value for name, value in clinical.items() if value is not None}
        return Measured(scan, health, cells.problems)

    def _volumes(self, cells: Cells) -> dict[str, Quantity]:
        places = self._header.places
        given = {
            name: _quantity(cells.number(column), cells.problems.get(column.name))
            for name, column in VOLUMES.items()
            if column.name in places
        }
        for total, parts in self._totals.items():
            if all(part in given for part in parts):
                given[total] = _total(given.get(total), [given[part] for part in parts])
                if given[total].reason == PARTS_DIFFER:
                    cells.problems[VOLUMES[total].name] = PARTS_DIFFER
        return {name: given[name] for name in REGIONS if name in given}

    def _thickness(self, cells: Cells) -> dict[str, Quantity]:
        given = {
            name: _quantity(cells.number(column), cells.problems.get(column.name))
            for name, column in THICKNESS.items()
            if column.name in self._header.places
        }
        if {"cortex_left", "cortex_right"} <= given.keys():
            sides = [given["cortex_left"], given["cortex_right"]]
            given["cortex_mean"] = _total(given.get("cortex_mean"), sides, share=0.5)
        return given


def _quantity(value: float | None, problem: str | None) -> Quantity:
    return Quantity(value=value, reason=None if value is not None else problem or NOT_MEASURED)


def _total(given: Quantity | None, parts: Sequence[Quantity], share: float = 1.0) -> Quantity:
    """Take a total as it is given, if its parts agree; form it where it is not given.

    Parameters
    ----------
    given
        The total out of the table.
    parts
        What it is the sum of.
    share
        What the sum is multiplied with: 0.5 for a mean of two.
    """
    values = [part.value for part in parts if part.value is not None]
    complete = len(values) == len(parts)
    formed = share * sum(values)
    if given is not None and given.value is not None:
        if complete and abs(given.value - formed) > TOLERANCE * given.value:
            return Quantity(value=None, reason=PARTS_DIFFER)
        return given
    if given is not None and given.reason != NOT_MEASURED:
        return given
    if complete:
        return Quantity(value=formed)
    return Quantity(value=None, reason=next(p.reason for p in parts if p.value is None))
