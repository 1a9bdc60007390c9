# SPDX-License-Identifier: Apache-2.0
"""Compare one region with its norm, or say why it cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

from memoryguard.atrophy.domain import norms
from memoryguard.atrophy.domain.choice import MAX_CALIBRATION_SD_Z, NormChoice
from memoryguard.atrophy.domain.measure import Person, Quantity
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.result import RegionScore, SdParts
from memoryguard.atrophy.domain.severity import centile_band, direction, judge


def score_region(
    name: str,
    volumes: Mapping[str, Quantity],
    person: Person,
    packs: Mapping[str, Pack],
    choice: NormChoice | None,
    refusal: str | None,
) -> RegionScore:
    """Score one region.

    Parameters
    ----------
    name
        The region.
    volumes
        All volumes of the scan in mm³, ``intracranial`` among them.
    person
        Whose scan it is.
    packs
        Norm packs by name.
    choice
        The norm that scores this region for the scan's engine; None where there is none.
    refusal
        Reason against scoring the scan at all.
    """
    volume = volumes.get(name, Quantity(None, None, "not_measured"))
    side = direction(name)
    pack = packs[choice.pack] if choice else None
    reason = refusal or _why_not(volume, volumes.get("intracranial"), person, pack)
    if reason is None and pack and choice and not choice.own_software:
        calibration = pack.calibration_sd_z(name)
        if calibration is None or calibration > MAX_CALIBRATION_SD_Z:
            reason = "norm_not_transferable"
    if reason or pack is None or choice is None:
        return RegionScore(volume, side, pack=pack.name if pack else None, reason=reason)
    return _compare(name, volume, volumes["intracranial"], person, pack, choice.own_software)


def _why_not(
    volume: Quantity, intracranial: Quantity | None, person: Person, pack: Pack | None
) -> str | None:
    """Reason why a region cannot be compared with its norm, None where it can."""
    if volume.value is None:
        return volume.reason or "not_measured"
    if not _is_volume(volume.value):
        return "volume_not_positive"
    if pack is None:
        return "no_norm_for_region"
    if intracranial is None or intracranial.value is None:
        return "intracranial_unknown"
    if not _is_volume(intracranial.value):
        return "intracranial_not_positive"
    return _person_problem(person, pack)


def _is_volume(value: float) -> bool:
    return math.isfinite(value) and value > 0.0


def _person_problem(person: Person, pack: Pack) -> str | None:
    if person.age_years is None:
        return "age_unknown"
    low, high = pack.valid_age_years
    if not low <= person.age_years <= high:
        return "age_outside_norm_range"
    if person.sex is None:
        return "sex_unknown"
    field_t = person.field_strength_t
    # Nominal 3 T scanners state 2.89 T and the like: within 10 % is the same class.
    if field_t is not None and all(abs(field_t / f - 1) > 0.1 for f in pack.field_strengths_t):
        return "field_strength_outside_norm_range"
    return None


def _compare(
    name: str,
    volume: Quantity,
    intracranial: Quantity,
    person: Person,
    pack: Pack,
    own_software: bool,
) -> RegionScore:
    """Compare a volume with its norm; the caller has checked that everything needed is there."""
    if volume.value is None or intracranial.value is None:
        raise ValueError("a volume is only compared when it and the head size are known")
    expectation = _expect(name, intracranial.value, person, pack)
    z = norms.z_score(pack, name, volume.value, expectation)
    slope = norms.z_slope_per_mm3(pack, name, volume.value)
    parts = SdParts(
        pack=norms.fit_sd_z(pack, name),
        site=pack.site_sd_z,
        scanner=expectation.scanner_sd,
        calibration=0.0 if own_software else pack.calibration_sd_z(name) or 0.0,
        measurement=None if volume.error_sd is None else slope * volume.error_sd,
        intracranial=_intracranial_part(name, intracranial, person, pack),
    )
    verdict = judge(z, parts.total, direction(name))
    return RegionScore(
        volume=volume,
        direction=direction(name),
        pack=pack.name,
        expected_mm3=expectation.expected_mm3,
        response=pack.regions[name].response,
        residual_sd=expectation.resid_sd,
        z=z,
        z_sd=parts.total,
        sd_parts=parts,
        centile=norms.centile(z),
        centile_band=centile_band(z, parts.total),
        severity=verdict.severity,
        severity_probabilities=verdict.probabilities,
        severity_reason=verdict.reason,
    )


def _expect(name: str, icv_mm3: float, person: Person, pack: Pack) -> norms.Expectation:
    if person.age_years is None:
        raise ValueError("a norm needs an age")
    covariates = norms.Covariates(person.age_years, person.sex == "M", icv_mm3)
    scanners = norms.possible_scanners(person.field_strength_t, person.manufacturer)
    return norms.expect(pack, name, covariates, scanners)


def _intracranial_part(
    name: str, intracranial: Quantity, person: Person, pack: Pack
) -> float | None:
    """SD of z from the error of the head size.

    A symmetric difference over one SD of head size: the norms are smooth, some of them cubic.
    """
    if intracranial.value is None or intracranial.error_sd is None:
        return None
    up, down = (
        _expect(name, intracranial.value + sign * intracranial.error_sd, person, pack)
        for sign in (1.0, -1.0)
    )
    return abs(up.response - down.response) / (2.0 * up.resid_sd)
