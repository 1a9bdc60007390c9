# SPDX-License-Identifier: Apache-2.0
"""What has to be known of a whole table before its first row is scored: names, and who came when.

Of each row a digest of its name is kept, and of people with a date where their rows are: some 400
bytes a row. The rows themselves stay on the disk.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from memoryguard.cli.score.rows import Reader
from memoryguard.cli.score.table import Table

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Visit:
    """One dated row of a person."""

    day: date
    number: int
    place: int


@dataclass(slots=True)
class Index:
    """Names that several rows bear, and the rows of each person."""

    rows: int = 0
    repeated: set[bytes] = field(default_factory=set[bytes])
    visits: dict[str, list[Visit]] = field(default_factory=lambda: defaultdict(list[Visit]))

    def is_repeated(self, name: str) -> bool:
        """Whether another row has the same name."""
        return _digest(name) in self.repeated

    def before(self, person: str, day: date | None) -> list[Visit]:
        """Rows of a person that are earlier than a day, the first one first."""
        if day is None or person not in self.visits:
            return []
        earlier = (visit for visit in self.visits[person] if visit.day < day)
        return sorted(earlier, key=lambda visit: visit.day)


def make_index(table: Table, reader: Reader, *, longitudinal: bool) -> Index:
    """Read a table once, for what has to be known beforehand."""
    index = Index()
    seen: set[bytes] = set()
    for row in table.rows():
        index.rows += 1
        cells = reader.cells(row.cells)
        digest = _digest(reader.name(cells, row.number))
        (index.repeated if digest in seen else seen).add(digest)
        if longitudinal and (person := cells.text("person")) and (day := cells.day()):
            index.visits[person].append(Visit(day, row.number, row.place))
    return index


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()
