# SPDX-License-Identifier: Apache-2.0
"""Change over time between two or more scans of one person.

The rate is the slope of ln(volume) against time, by least squares weighted with each scan's
relative error, given as percent per year 100·(exp(slope) − 1). Its interval comes from the scans'
errors alone: with two or three scans the scatter about the line says nothing.

What counts is the retest error: by how much two scans of one unchanged head differ. What an engine
always does wrong with a head it does in every scan, so its error against the truth is larger; it is
taken only where nobody knows the retest error (see `rates`). All of them hold for one scanner:
between two scanners the rate is told without an interval. Two engines differ by more than any
brain changes in a year: scans that another engine (or version) measured than the newest one are
left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from memoryguard.atrophy.domain.measure import Engine, Quantity
from memoryguard.atrophy.domain.norms import CI95_Z
from memoryguard.atrophy.domain.rates import (
    PUBLISHED_RATES,
    PublishedRate,
    RetestError,
    retest_error,
)

DAYS_PER_YEAR = 365.25
# Within half a year the retest error of two hippocampi (2.5 %) hides any published yearly loss.
MIN_INTERVAL_YEARS = 0.5
ENGINES_OWN_ERROR = "error that the engine states for each scan; no retest figure was published"

Point: TypeAlias = tuple[float, float, float | None]
"""Years, volume in mm³, SD of its error in mm³."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of the series.

    Parameters
    ----------
    days
        Days since any fixed origin common to the series (dates are shifted, intervals are true).
    volumes
        Volumes in mm³ by region.
    engine
        The engine that measured them.
    scanner
        Anything that identifies the scanner (maker, model, field); None where unknown.
    """

    days: float
    volumes: dict[str, Quantity]
    engine: Engine
    scanner: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rate beside a published one; `z` counts the group's SDs (with the rate's own error)."""

    published: PublishedRate
    z: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """Yearly change of one region.

    `ci95_percent_per_year` and `within_measurement_noise` are None, with `error_reason`, where
    no error is known or the scanner changed. `reason` says why the rate itself is None. `points`
    are what the rate was fitted to, in years before the newest scan, with the error that counted.
    """

    scans: int
    interval_years: float
    percent_per_year: float | None
    se_percent_per_year: float | None
    ci95_percent_per_year: tuple[float, float] | None
    within_measurement_noise: bool | None
    error_source: str | None
    error_reason: str | None
    compared: tuple[Comparison, ...]
    reason: str | None
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """Change of every region over a person's scans, with what makes them hard to compare."""

    regions: dict[str, Change]
    flags: tuple[str, ...]


def change(scans: Sequence[Scan]) -> Series:
    """Yearly change per region over the scans of one person, in any order."""
    ordered = sorted(scans, key=lambda scan: scan.days)
    names = dict.fromkeys(name for scan in ordered for name in scan.volumes)
    return Series({name: _region(name, ordered) for name in names}, _flags(ordered))


def _region(name: str, scans: Sequence[Scan]) -> Change:
    measured = [
        (scan, quantity.value, quantity.error_sd)
        for scan in scans
        if (quantity := scan.volumes.get(name)) and quantity.value is not None
    ]
    alike = [each for each in measured if each[0].engine == measured[-1][0].engine]
    points = [(scan.days / DAYS_PER_YEAR, volume, error) for scan, volume, error in alike]
    years = [point[0] for point in points]
    interval = max(years) - min(years) if years else 0.0
    reason = _why_not(points, interval)
    if reason == "fewer_than_two_scans" and len(measured) > 1:
        reason = "engine_changed"
    if reason:
        return _withheld(len(points), interval, reason)
    scanners = {scan.scanner for scan, _, _ in alike if scan.scanner is not None}
    retest = retest_error(name, alike[-1][0].engine)
    fitted = _fitted(name, points, interval, retest, one_scanner=len(scanners) < 2)
    return replace(fitted, points=_counted(points, retest))


def _counted(points: Sequence[Point], retest: RetestError | None) -> tuple[Point, ...]:
    """Give years before the newest scan, and with each volume the error that the interval is of."""
    newest = points[-1][0]
    return tuple(
        (years - newest, volume, _relative_error(volume, sd, retest) * volume or None)
        for years, volume, sd in points
    )


def _why_not(points: Sequence[Point], interval: float) -> str | None:
    if len(points) < 2:
        return "fewer_than_two_scans"
    if not all(math.isfinite(volume) and volume > 0.0 for _, volume, _ in points):
        return "volume_not_positive"
    return "interval_too_short" if interval < MIN_INTERVAL_YEARS else None


def _fitted(
    name: str,
    points: Sequence[Point],
    interval: float,
    retest: RetestError | None,
    *,
    one_scanner: bool,
) -> Change:
    errors = [_relative_error(volume, sd, retest) for _, volume, sd in points]
    known = [error for error in errors if error]
    # A weight needs an error for every scan; without, all scans weigh the same.
    even = len(known) < len(points)
    weights = [1.0] * len(points) if even else [1.0 / error**2 for error in known]
    slope, slope_se = _weighted_slope(points, weights)
    percent = _percent(slope)
    unknown = "no_retest_figure" if even else None if one_scanner else "scanner_changed"
    if unknown:
        return Change(
            len(points), interval, percent, None, None, None, None,
            unknown, _compare(name, percent, None), None,
        )  # fmt: skip
    ci = (_percent(slope - CI95_Z * slope_se), _percent(slope + CI95_Z * slope_se))
    # Delta method: d(100·(exp(b) − 1))/db = 100·exp(b).
    se = 100.0 * math.exp(slope) * slope_se
    return Change(
        scans=len(points),
        interval_years=interval,
        percent_per_year=percent,
        se_percent_per_year=se,
        ci95_percent_per_year=ci,
        within_measurement_noise=ci[0] <= 0.0 <= ci[1],
        error_source=retest.source if retest else ENGINES_OWN_ERROR,
        error_reason=None,
        compared=_compare(name, percent, se),
        reason=None,
    )


def _relative_error(volume: float, error_sd: float | None, retest: RetestError | None) -> float:
    """SD of ln(volume) of one scan: the retest error, else the engine's own; 0: not known."""
    if retest:
        return retest.within_subject_cv_percent / 100.0
    return (error_sd or 0.0) / volume


def _weighted_slope(points: Sequence[Point], weights: Sequence[float]) -> tuple[float, float]:
    """Slope of ln(volume) per year and its SD for errors of variance 1/weight."""
    total = math.fsum(weights)
    centre = math.fsum(w * t for w, (t, _, _) in zip(weights, points, strict=True)) / total
    spread = math.fsum(w * (t - centre) ** 2 for w, (t, _, _) in zip(weights, points, strict=True))
    rise = math.fsum(
        w * (t - centre) * math.log(volume)
        for w, (t, volume, _) in zip(weights, points, strict=True)
    )
    return rise / spread, 1.0 / math.sqrt(spread)


def _percent(slope: float) -> float:
    return 100.0 * math.expm1(slope)


def _compare(name: str, percent: float, se: float | None) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(rate, _rate_z(rate, percent, se)) for rate in PUBLISHED_RATES.get(name, ())
    )


def _rate_z(rate: PublishedRate, percent: float, se: float | None) -> float | None:
    """Distance from a group's mean rate; None where its spread or our error is unknown."""
    if rate.sd_percent_per_year is None or se is None:
        return None
    # The published SD already holds its own retest error; adding ours errs on the wide side.
    return (percent - rate.mean_percent_per_year) / math.hypot(rate.sd_percent_per_year, se)


def _withheld(scans: int, interval: float, reason: str) -> Change:
    return Change(scans, interval, None, None, None, None, None, None, (), reason)


def _flags(scans: Sequence[Scan]) -> tuple[str, ...]:
    flags: list[str] = []
    if len({scan.engine for scan in scans}) > 1:
        flags.append("engine_changed")
    known = {scan.scanner for scan in scans if scan.scanner is not None}
    if len(known) > 1:
        flags.append("scanner_changed")
    if any(scan.scanner is None for scan in scans):
        flags.append("scanner_unknown")
    return tuple(flags)
