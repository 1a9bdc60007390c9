# SPDX-License-Identifier: Apache-2.0
"""The services' pure answers, asked row by row.

Nothing is published, and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from memoryguard.atrophy.answer import answer as score
from memoryguard.cli.score.columns import ENGINES, Software, every_column
from memoryguard.cli.score.header import Header, read_header
from memoryguard.cli.score.index import Index, make_index
from memoryguard.cli.score.results import Result, columns, without_norm
from memoryguard.cli.score.rows import ROW, Measured, Reader
from memoryguard.cli.score.table import Row, Table
from memoryguard.common.contracts.events import Engine, VolumesExtracted
from memoryguard.common.errors import Rejected

UNKNOWN_VERSION = "unknown"
EXAMPLE_INTERVAL = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for.

    Parameters
    ----------
    software
        Program that measured, and its version.
    ignore
        Columns to leave out.
    strict
        End at the first row with anything wrong.
    risk
        Ask the risk model too.
    as_json
        Write one document a line instead of CSV.
    """

    software: Software
    version: str | None = None
    ignore: tuple[str, ...] = ()
    strict: bool = False
    risk: bool = True
    as_json: bool = False

    @property
    def engine(self) -> Engine:
        """The engine as facts name it; what weights it ran with, a table does not say."""
        version = self.version or UNKNOWN_VERSION
        return Engine(name=ENGINES[self.software], version=version, weights_sha256="")


class Scorer:
    """Scores the rows of one table.

    Parameters
    ----------
    table
        The open table.
    wanted
        What is asked for.
    """

    def __init__(self, table: Table, wanted: Wanted) -> None:
        self.header = read_header(table.header, wanted.software, wanted.ignore)
        self._table = table
        self._wanted = wanted
        self._reader = Reader(self.header, wanted.engine)
        self._index = Index()
        self._example = self._complete()
        blank = self._reader.read([""] * self.header.width, 1).scan
        self._volumes = tuple(blank.volumes_mm3)

    def count_rows(self) -> int:
        """Read the table once, beforehand; how many rows there are.

        Raises
        ------
        Rejected
            ``table_empty``.
        """
        longitudinal = self.header.longitudinal
        self._index = make_index(self._table, self._reader, longitudinal=longitudinal)
        if not self._index.rows:
            raise Rejected("table_empty", "the table has a header and no rows")
        return self._index.rows

    def columns(self) -> list[str]:
        """Columns of the results."""
        return columns(self._example, self._volumes if self.header.longitudinal else ())

    def without_norm(self) -> list[str]:
        """Volumes of the table that no norm scores."""
        return [name for name in without_norm(self._example) if name in self._volumes]

    def results(self) -> Iterator[Result]:
        """Score row by row."""
        for row in self._table.rows():
            yield self._answer(row.number, self._read(row))

    def _read(self, row: Row) -> Measured:
        measured = self._reader.read(row.cells, row.number)
        if self._index.is_repeated(measured.scan.scan_id):
            return Measured(
                measured.scan, measured.health, {ROW: "id_repeated", **measured.problems}
            )
        return measured

    def _answer(self, number: int, measured: Measured) -> Result:
        if ROW in measured.problems:
            return Result(number, measured)
        scan = measured.scan
        visits = self._index.before(scan.subject_id, scan.acquisition.acquired_on)
        earlier = [self._read(self._table.again(each.number, each.place)) for each in visits]
        return self._ask(number, measured, [e.scan for e in earlier if ROW not in e.problems])

    def _ask(self, number: int, measured: Measured, earlier: Sequence[VolumesExtracted]) -> Result:
        scored = score(measured.scan, earlier)
        if not self._wanted.risk:
            return Result(number, measured, scored)
        from memoryguard.ml.answer import answer as predict

        return Result(number, measured, scored, predict(scored, measured.health))

    def _complete(self) -> Result:
        """Answer for the row of examples in the documentation: it has everything, and a past."""
        known = [column for column in every_column() if column.example]
        header = Header({c.name: place for place, c in enumerate(known)}, len(known), ())
        reader = Reader(header, self._wanted.engine)
        measured = reader.read([column.example for column in known], 1)
        made = measured.scan.acquisition
        then = made.acquired_on and made.acquired_on - EXAMPLE_INTERVAL
        made = made.model_copy(update={"acquired_on": then})
        return self._ask(1, measured, [measured.scan.model_copy(update={"acquisition": made})])
