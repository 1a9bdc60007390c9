# SPDX-License-Identifier: Apache-2.0
"""The long table: one row for each thing that was measured of a scan, or was not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from memoryguard.api.known import Known
from memoryguard.api.tables import cells


@dataclass(frozen=True, slots=True)
class Measure:
    """One row, after the columns of `LEAD`. Everything is in its `unit`, z in SD."""

    kind: str
    name: str
    unit: str
    value: object = None
    error_sd: object = None
    reason: object = None
    low: object = None
    high: object = None
    median: object = None
    z: object = None
    z_sd: object = None
    centile: object = None
    severity: object = None
    z_reason: object = None
    severity_reason: object = None
    within_noise: object = None
    change_years: object = None
    scans: object = None


MEANINGS: Final[Mapping[str, str]] = {
    "kind": "volume, thickness, asymmetry, ratio, change or probability",
    "name": "what was measured: a structure, a ratio, a group",
    "unit": "of value, error_sd, low, high and median: mm3, mm, %, 1, %/a",
    "value": "as measured",
    "error_sd": "its error, one SD",
    "reason": "why value is empty; of a change also why it has no interval",
    "low": "95 % interval, from (change, probability)",
    "high": "to",
    "median": "of healthy people of that age, sex, head size and scanner, as this engine measures",
    "z": "distance from them, in SD",
    "z_sd": "error of z, one SD",
    "centile": "share of them that lies below, in %",
    "severity": "none, mild, moderate, severe or uncertain",
    "z_reason": "why there is no z",
    "severity_reason": "why it is uncertain",
    "within_noise": "whether measuring twice would differ as much (change)",
    "change_years": "from the first scan to this one (change)",
    "scans": "scans that the rate is made from (change)",
}
"""The columns after those of `LEAD`, which are the wide table's first ones."""
LEAD: Final = ("id", "person", "age_years", "sex", "status", "quality", "engine", "engine_version")


def headings() -> list[str]:
    """Give the names of all columns."""
    return [*LEAD, *(field.name for field in fields(Measure))]


def rows(known: Known, lead: Mapping[str, object]) -> Iterator[list[object]]:
    """Give the rows of one scan, each after the cells that all of them share."""
    first = [lead[name] for name in LEAD]
    for measure in measures(known):
        yield first + [getattr(measure, field.name) for field in fields(measure)]


def measures(known: Known) -> Iterator[Measure]:
    """Give everything that was measured of a scan."""
    yield from _sizes(known, "volume", "volumes_mm3", "regions", "mm3")
    yield from _sizes(known, "thickness", "thickness_mm", "thickness", "mm")
    yield from _derived(known, "asymmetry", "asymmetry_percent", "%")
    yield from _derived(known, "ratio", "ratios", "1")
    for name, change in known.atrophy["change"].items():
        yield _change(known, name, change)
    for group, probability in ((known.document["risk"] or {}).get("probabilities") or {}).items():
        low, high = (cells.bound(place)(known, group) for place in (0, 1))
        yield Measure("probability", group, "1", probability, low=low, high=high)


def _sizes(known: Known, kind: str, group: str, scores: str, unit: str) -> Iterator[Measure]:
    for name, value in known.document[group].items():
        score: Mapping[str, Any] = known.atrophy[scores].get(name, {})
        yield Measure(
            kind, name, unit, value,
            error_sd=cells.size_error(group)(known, name),
            reason=known.why_not(group, name),
            median=score.get(f"median_{unit}"),
            z=score.get("z"), z_sd=score.get("z_sd"), centile=score.get("centile"),
            severity=score.get("severity"),
            z_reason=cells.score_reason(scores)(known, name),
            severity_reason=score.get("severity_reason"),
        )  # fmt: skip


def _derived(known: Known, kind: str, group: str, unit: str) -> Iterator[Measure]:
    for name, value in known.atrophy[group].items():
        yield Measure(
            kind, name, unit, value,
            error_sd=known.error_sd(group, name),
            reason=known.why_not(group, name),
        )  # fmt: skip


def _change(known: Known, name: str, change: Mapping[str, Any]) -> Measure:
    low, high = change["ci95_percent_per_year"] or (None, None)
    return Measure(
        "change", name, "%/a", change["percent_per_year"],
        error_sd=change["se_percent_per_year"],
        reason=cells.change_reason(known, name),
        low=low, high=high,
        within_noise=change["within_measurement_noise"],
        change_years=change["interval_years"],
        scans=change["scans"],
    )  # fmt: skip
