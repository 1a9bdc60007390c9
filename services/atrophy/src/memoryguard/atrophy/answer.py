# SPDX-License-Identifier: Apache-2.0
"""From measured volumes, and those of earlier scans, to the fact that scores them. Pure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from memoryguard.atrophy.domain import change as over_time
from memoryguard.atrophy.domain import measure
from memoryguard.atrophy.domain import score as scoring
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.packs import load_packs
from memoryguard.common.contracts.events import (
    AtrophyScored,
    Change,
    Quantity,
    RegionScore,
    VolumesExtracted,
)

NO_EARLIER_SCAN = "fewer_than_two_scans"
NO_DATE = "acquisition_date_unknown"


@lru_cache(maxsize=1)
def shipped_packs() -> Mapping[str, Pack]:
    """Norm packs of the package, read once."""
    return load_packs()


def answer(scan: VolumesExtracted, earlier: Sequence[VolumesExtracted] = ()) -> AtrophyScored:
    """Score a scan.

    Parameters
    ----------
    scan
        What was measured.
    earlier
        The same person's earlier scans, in any order.

    Notes
    -----
    A scan that arrives late is an earlier one of those after it: see `handlers.score`.
    """
    started = time.perf_counter()
    person = measure.Person(
        scan.person.age_years,
        scan.person.sex,
        scan.acquisition.field_strength_t,
        scan.acquisition.manufacturer,
    )
    engine = measure.Engine(scan.engine.name, scan.engine.version)
    score = scoring.score(
        _measured(scan.volumes_mm3), person, shipped_packs(), engine, scan.quality.verdict
    )
    changes, change_flags, change_reason = _change(scan, earlier)
    return AtrophyScored(
        subject_id=scan.subject_id,
        scan_id=scan.scan_id,
        user_id=scan.user_id,
        engine=scan.engine,
        quality=scan.quality,
        volumes_mm3=scan.volumes_mm3,
        thickness_mm=scan.thickness_mm,
        person=scan.person,
        acquisition=scan.acquisition,
        regions={name: _region(region) for name, region in score.regions.items()},
        overall=score.overall.severity,
        overall_region=score.overall.region,
        overall_considered=tuple(score.overall.considered),
        overall_at_least=score.overall.at_least,
        overall_reason=score.overall.reason,
        flags=(*score.flags, *(flag for flag in change_flags if flag not in score.flags)),
        asymmetry_percent=_said(score.asymmetry_percent),
        ratios=_said(score.ratios),
        earlier_scans=tuple(before.scan_id for before in earlier),
        change=changes,
        change_reason=change_reason,
        seconds={**scan.seconds, "score": time.perf_counter() - started},
    )


def _change(
    scan: VolumesExtracted, earlier: Sequence[VolumesExtracted]
) -> tuple[dict[str, Change], tuple[str, ...], str | None]:
    """Changes per region, flags, and the reason when there is no change to tell."""
    if scan.acquisition.acquired_on is None:
        return {}, (), NO_DATE
    if not earlier:
        return {}, (), NO_EARLIER_SCAN
    series = over_time.change([_dated(each) for each in (*earlier, scan)])
    changes = {
        name: _changed(change)
        for name, change in series.regions.items()
        if change.reason != NO_EARLIER_SCAN
    }
    return changes, series.flags, None


def _dated(scan: VolumesExtracted) -> over_time.Scan:
    made = scan.acquisition
    if made.acquired_on is None:
        raise ValueError("only dated scans are compared")
    known = (made.manufacturer, made.scanner_model, made.field_strength_t)
    return over_time.Scan(
        days=made.acquired_on.toordinal(),
        volumes=_measured(scan.volumes_mm3),
        engine=measure.Engine(scan.engine.name, scan.engine.version),
        scanner=None if None in known else " ".join(map(str, known)),
    )


def _measured(quantities: Mapping[str, Quantity]) -> dict[str, measure.Quantity]:
    return {
        name: measure.Quantity(quantity.value, quantity.error_sd, quantity.reason)
        for name, quantity in quantities.items()
    }


def _said(quantities: Mapping[str, measure.Quantity]) -> dict[str, Quantity]:
    return {
        name: Quantity(value=quantity.value, error_sd=quantity.error_sd, reason=quantity.reason)
        for name, quantity in quantities.items()
    }


def _region(region: scoring.RegionScore) -> RegionScore:
    probabilities = region.severity_probabilities
    return RegionScore(
        volume_mm3=region.volume.value,
        error_sd_mm3=region.volume.error_sd,
        expected_mm3=region.expected_mm3,
        z=region.z,
        z_sd=region.z_sd,
        z_sd_parts=dataclasses.asdict(region.sd_parts) if region.sd_parts else {},
        centile=region.centile,
        centile_band=region.centile_band,
        severity=region.severity,
        severity_probabilities=dict(probabilities) if probabilities else None,
        severity_reason=region.severity_reason,
        direction=region.direction,
        pack=region.pack,
        reason=region.reason,
    )


def _changed(change: over_time.Change) -> Change:
    return Change(
        scans=change.scans,
        interval_years=change.interval_years,
        percent_per_year=change.percent_per_year,
        se_percent_per_year=change.se_percent_per_year,
        ci95_percent_per_year=change.ci95_percent_per_year,
        within_measurement_noise=change.within_measurement_noise,
        published_percent_per_year={
            f"{each.published.group}, {each.published.source}": each.published.mean_percent_per_year
            for each in change.compared
        },
        error_source=change.error_source,
        error_reason=change.error_reason,
        reason=change.reason,
    )
