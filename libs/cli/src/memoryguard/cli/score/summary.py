# SPDX-License-Identifier: Apache-2.0
"""What came of a table: how many rows, what was withheld why, and whether the norms fit."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from memoryguard.cli.score.results import Flat, Result, reasons


@dataclass(slots=True)
class Moments:
    """Mean and SD of a stream of numbers (Welford's method)."""

    n: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in one number."""
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self._squares += step * (value - self.mean)

    @property
    def sd(self) -> float | None:
        """Standard deviation of the sample; None for fewer than two."""
        return math.sqrt(self._squares / (self.n - 1)) if self.n > 1 else None


@dataclass(slots=True)
class Summary:
    """Counts over a table."""

    rows: int = 0
    bad: int = 0
    scored: int = 0
    predicted: int = 0
    withheld: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter[str]))
    z: dict[str, Moments] = field(default_factory=lambda: defaultdict(Moments))

    def add(self, result: Result, flat: Flat) -> None:
        """Take in one row."""
        self.rows += 1
        self.bad += bool(result.measured.problems)
        self.scored += bool(result.z)
        self.predicted += flat.get("dementia_similarity") is not None
        for kind, code in reasons(flat):
            self.withheld[kind][code] += 1
        for name, value in result.z.items():
            self.z[name].add(value)

    def lines(self) -> Iterator[str]:
        """Say it."""
        yield (
            f"{self.rows} rows, {self.scored} with a z-score, {self.predicted} with a risk,"
            f" {self.bad} with something wrong in the table"
        )
        for kind, counts in self.withheld.items():
            said = (f"{code} {count}" for code, count in counts.most_common())
            yield f"{kind} withheld, in rows: {', '.join(said)}"
        if self.z:
            yield "z over the table (healthy people the norm fits: mean 0, SD 1):"
        for name, moments in self.z.items():
            sd = "" if moments.sd is None else f", SD {moments.sd:.2f}"
            yield f"  {name}: mean {moments.mean:+.2f}{sd}, n {moments.n}"
