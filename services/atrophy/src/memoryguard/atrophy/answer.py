# SPDX-License-Identifier: Apache-2.0
"""From measured volumes, and those of earlier scans, to the fact that scores them. Pure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from memoryguard.atrophy.domain import change as over_time
from memoryguard.atrophy.domain import measure
from memoryguard.atrophy.domain import score as scoring
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.site import Site
from memoryguard.atrophy.settings import norms
from memoryguard.common.contracts.events import (
    AtrophyScored,
    Change,
    NormPack,
    Quantity,
    RegionScore,
    Summary,
    ThicknessScore,
    VolumesExtracted,
)
from memoryguard.common.contracts.parts import (
    CalibratedSite,
    Calibration,
    ChangePoint,
    NormCurve,
    SiteOffset,
)

NO_EARLIER_SCAN = "fewer_than_two_scans"
NO_DATE = "acquisition_date_unknown"


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
    score = _scored(scan)
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
        thickness={name: _thickness(each) for name, each in score.thickness.items()},
        summaries={n: Summary(**dataclasses.asdict(s)) for n, s in score.summaries.items()},
        packs={name: _pack(norms().packs[name]) for name in score.packs},
        site=_site(score.site) if score.site else None,
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
        archive=scan.archive,
        labels=scan.labels,
        seconds={**scan.seconds, "score": time.perf_counter() - started},
    )


def _scored(scan: VolumesExtracted) -> scoring.Score:
    made = scan.acquisition
    return scoring.score(
        _measured(scan.volumes_mm3),
        measure.Person(
            scan.person.age_years, scan.person.sex, made.field_strength_t, made.manufacturer
        ),
        norms().packs,
        measure.Engine(scan.engine.name, scan.engine.version),
        scan.quality.verdict,
        _measured(scan.thickness_mm),
        norms().sites,
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


def _region(score: scoring.RegionScore) -> RegionScore:
    return RegionScore(
        volume_mm3=score.measured.value,
        error_sd_mm3=score.measured.error_sd,
        expected_mm3=score.expected,
        median_mm3=score.median,
        **_compared(score),
    )


def _thickness(score: scoring.RegionScore) -> ThicknessScore:
    return ThicknessScore(
        thickness_mm=score.measured.value,
        error_sd_mm=score.measured.error_sd,
        expected_mm=score.expected,
        median_mm=score.median,
        **_compared(score),
    )


def _compared(score: scoring.RegionScore) -> dict[str, Any]:
    probabilities, calibration, site = (score.severity_probabilities, score.calibration, score.site)
    return {
        "z": score.z,
        "z_sd": score.z_sd,
        "z_sd_parts": dataclasses.asdict(score.sd_parts) if score.sd_parts else {},
        "centile": score.centile,
        "centile_band": score.centile_band,
        "severity": score.severity,
        "severity_probabilities": dict(probabilities) if probabilities else None,
        "severity_reason": score.severity_reason,
        "direction": score.direction,
        "pack": score.pack,
        "calibration": Calibration(**dataclasses.asdict(calibration)) if calibration else None,
        "site": site and SiteOffset(mean_z=site.mean_z, sd_z=site.sd_z, n=site.n),
        "curve": score.curve and NormCurve(age_years=score.curve.age_years, **score.curve.centiles),
        "reason": score.reason,
    }


def _pack(pack: Pack) -> NormPack:
    return NormPack(
        version=pack.version,
        sha256=pack.sha256,
        software=pack.software,
        signed_by=pack.signed_by,
    )


def _site(site: Site) -> CalibratedSite:
    return CalibratedSite(name=site.name, sha256=site.sha256, signed_by=site.signed_by)


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
        points=tuple(
            ChangePoint(years=years, volume_mm3=volume, error_sd_mm3=sd)
            for years, volume, sd in change.points
        ),
        reason=change.reason,
    )
