# SPDX-License-Identifier: Apache-2.0
"""What came out for one row: flat, one column per value, or whole as a document. Pure.

A value that was not measured is empty; the ``…_reason`` beside it says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from memoryguard.cli.score.rows import ROW, Measured
from memoryguard.common.contracts.events import (
    AtrophyScored,
    Change,
    Quantity,
    RiskPredicted,
    RiskWithheld,
)
from memoryguard.common.contracts.parts import NormScore

Flat: TypeAlias = dict[str, Any]
Risk: TypeAlias = RiskPredicted | RiskWithheld

NO_NORM = "no_norm_for_region"
OTHER = "other"
"""Column for what has none of its own: a model may name inputs that no example has."""

_KINDS = {
    "severity_reason": "severity",
    "overall_reason": "overall severity",
    "change_reason": "change",
    "risk_reason": "risk",
    "_percent_reason": "asymmetry",
    "_ratio_reason": "ratio",
}


@dataclass(frozen=True, slots=True)
class Result:
    """A row and what the services say of it; nothing where the row as a whole is not taken."""

    number: int
    measured: Measured
    scored: AtrophyScored | None = None
    risk: Risk | None = None

    def document(self) -> dict[str, Any]:
        """Write everything as plain data, as the facts have it."""
        left_out = {"subject_id", "scan_id", "user_id", "seconds"}
        return {
            "row": self.number,
            "id": self.measured.scan.scan_id,
            "person": self.measured.scan.subject_id,
            "problems": dict(self.measured.problems),
            "atrophy": self.scored and self.scored.model_dump(mode="json", exclude=left_out),
            "risk": self.risk and self.risk.model_dump(mode="json", exclude=left_out),
        }

    @property
    def z(self) -> dict[str, float]:
        """Every z, by region."""
        return {n: each.z for n, each in _scores(self.scored).items() if each.z is not None}

    def flat(self, *, over_time: bool = False) -> Flat:
        """Write one value per column; with the change over time where the table may tell it."""
        problems = self.measured.problems
        start = {
            "row": self.number,
            "id": self.measured.scan.scan_id,
            "person": self.measured.scan.subject_id,
            "problems": " ".join(":".join(problem) for problem in problems.items()),
        }
        change = dict(_changes(self.scored)) if over_time else {}
        return start | dict(_scored(self.scored)) | change | dict(_risk(self.risk))


def columns(example: Result, changing: Iterable[str]) -> list[str]:
    """Give the columns of the results.

    Parameters
    ----------
    example
        A complete row: it names every region that has a norm, and all that the model may say.
    changing
        Volumes that may change between two scans.
    """
    change = Change(scans=0, interval_years=0.0, percent_per_year=None)
    over_time = [key for name in changing for key, _ in _change(name, change)]
    last = [key for key, _ in _risk(example.risk)]
    first = [key for key in example.flat() if key not in last]
    reason = ["change_reason"] if over_time else []
    return [*first, *over_time, *reason, *last, OTHER]


def without_norm(example: Result) -> list[str]:
    """Regions of a complete row that no norm scores: they have no columns."""
    scores = _scores(example.scored)
    return [name for name, score in scores.items() if score.reason == NO_NORM]


def refused(columns: list[str], result: Result) -> Flat:
    """Write a row that as a whole was not taken: every reason is the row's."""
    code = result.measured.problems[ROW]
    return {name: code for name in columns if name.endswith("_reason")} | result.flat()


def _scored(scored: AtrophyScored | None) -> Iterator[tuple[str, Any]]:
    if scored is None:
        return
    for name, score in _scores(scored).items():
        if score.reason != NO_NORM:
            yield from _score(name, score)
    for name, summary in scored.summaries.items():
        yield f"{name}_summary", summary.sentence
    yield "overall", scored.overall
    yield "overall_region", scored.overall_region
    yield "overall_reason", scored.overall_reason
    yield "flags", " ".join(scored.flags)
    for name, quantity in scored.asymmetry_percent.items():
        yield from _quantity(f"{name}_asymmetry_percent", quantity)
    for name, quantity in scored.ratios.items():
        yield from _quantity(f"{name}_ratio", quantity)
    yield "engine", scored.engine.name
    yield "engine_version", scored.engine.version
    packs = (f"{n}:{pack.version}:{pack.sha256}" for n, pack in scored.packs.items())
    yield "packs", " ".join(packs)
    yield "site", f"{scored.site.name}:{scored.site.sha256}" if scored.site else None


def _changes(scored: AtrophyScored | None) -> Iterator[tuple[str, Any]]:
    if scored is None:
        return
    for name, change in scored.change.items():
        yield from _change(name, change)
    yield "change_reason", scored.change_reason


def _scores(scored: AtrophyScored | None) -> dict[str, NormScore]:
    return {**scored.regions, **scored.thickness} if scored else {}


def _score(name: str, score: NormScore) -> Iterator[tuple[str, Any]]:
    yield f"{name}_z", score.z
    yield f"{name}_z_sd", score.z_sd
    yield f"{name}_centile", score.centile
    yield f"{name}_severity", score.severity
    yield f"{name}_reason", score.reason
    yield f"{name}_severity_reason", score.severity_reason


def _quantity(name: str, quantity: Quantity) -> Iterator[tuple[str, Any]]:
    yield name, quantity.value
    yield f"{name}_reason", quantity.reason


def _change(name: str, change: Change) -> Iterator[tuple[str, Any]]:
    low, high = change.ci95_percent_per_year or (None, None)
    yield f"{name}_percent_per_year", change.percent_per_year
    yield f"{name}_percent_per_year_low", low
    yield f"{name}_percent_per_year_high", high
    yield f"{name}_within_noise", change.within_measurement_noise
    yield f"{name}_years", change.interval_years
    yield f"{name}_scans", change.scans
    yield f"{name}_change_reason", change.reason or change.error_reason


def _risk(risk: Risk | None) -> Iterator[tuple[str, Any]]:
    if risk is None:
        return
    withheld = () if isinstance(risk, RiskPredicted) else risk.reasons
    if isinstance(risk, RiskPredicted):
        yield risk.explained, risk.output
        for group, probability in risk.probabilities.items():
            yield f"probability_{_lower(group)}", probability
        for group, (low, high) in risk.intervals95.items():
            yield f"probability_{_lower(group)}_low", low
            yield f"probability_{_lower(group)}_high", high
        for each in sorted(risk.contributions, key=lambda each: each.feature):
            yield f"contribution_{each.feature}", each.contribution
        yield "contributions_base", risk.base
    yield "risk_reason", " ".join(dict.fromkeys(reason.code for reason in withheld))
    yield "risk_message", "; ".join(reason.message for reason in withheld)
    yield "risk_missing", " ".join(f"{name}:{code}" for name, code in risk.missing.items())
    yield "model", risk.model.name
    yield "model_version", risk.model.version
    yield "model_sha256", risk.model.weights_sha256


def _lower(name: str) -> str:
    return name.lower().replace(" ", "_")


def reasons(flat: Flat) -> Iterator[tuple[str, str]]:
    """Yield what a row's results withhold (a kind of result) and why, each pair once."""
    found = ((name, value) for name, value in flat.items() if name.endswith("_reason") and value)
    yield from dict.fromkeys(
        (_kind(name), code) for name, value in found for code in str(value).split()
    )


def _kind(name: str) -> str:
    for ending, kind in _KINDS.items():
        if name.endswith(ending):
            return kind
    return "z"
