# SPDX-License-Identifier: Apache-2.0
"""Compare one region with its norm, or say why it cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from memoryguard.atrophy.domain import norms, plausible
from memoryguard.atrophy.domain.choice import MAX_CALIBRATION_SD_Z, NormChoice
from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.pack import Offset, Pack
from memoryguard.atrophy.domain.result import Calibrated, RegionScore, SdParts
from memoryguard.atrophy.domain.retest import retest_sd_z, stated_or_published
from memoryguard.atrophy.domain.severity import centile_band, direction, judge


@dataclass(frozen=True, slots=True)
class Setting:
    """What every region of one scan is compared under; `refusal` is a reason against all."""

    person: Person
    engine: Engine
    intracranial: Quantity
    packs: Mapping[str, Pack]
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class _Norm:
    """The packs chosen for one region, with what is known of the engine's offset to them."""

    region: str
    packs: tuple[Pack, ...]
    offset: Offset | None
    head_offset: Offset | None
    own_software: bool

    def expect(self, person: Person, icv_mm3: float) -> norms.Expectation:
        """Expectation for somebody, after taking the engine's offset out of the head size."""
        if person.age_years is None:
            raise ValueError("a norm needs an age")
        head = icv_mm3 / (self.head_offset.ratio if self.head_offset else 1.0)
        covariates = norms.Covariates(person.age_years, person.sex == "M", head)
        scanners = norms.possible_scanners(person.field_strength_t, person.manufacturer)
        return norms.expect(self.packs, self.region, covariates, scanners)


def score_region(
    name: str,
    measured: Quantity,
    setting: Setting,
    choice: NormChoice | None,
) -> RegionScore:
    """Score one region.

    Parameters
    ----------
    name
        The region.
    measured
        Its volume in mm³, or its thickness in mm.
    setting
        Person, engine, head size and packs.
    choice
        The norm that scores this region for the scan's engine; None where there is none.
    """
    packs = tuple(setting.packs[pack] for pack in choice.packs) if choice else ()
    reason = setting.refusal or _why_not(name, measured, setting, packs)
    if reason is None and choice:
        norm = _norm(name, packs, setting.engine, choice.own_software)
        score = _compare(measured, setting, norm)
        if score is not None:
            return score
        reason = "norm_not_transferable"
    named = "+".join(pack.name for pack in packs) or None
    return RegionScore(measured, direction(name), pack=named, reason=reason)


def _why_not(
    name: str, measured: Quantity, setting: Setting, packs: tuple[Pack, ...]
) -> str | None:
    """Reason why a region cannot be compared with its norm, None where it can."""
    if measured.value is None:
        return measured.reason or "not_measured"
    if problem := plausible.problem(name, measured.value):
        return problem
    if not packs:
        return "no_norm_for_region"
    head = setting.intracranial.value
    if head is None:
        return "intracranial_unknown"
    if problem := plausible.problem("intracranial", head):
        return problem
    problems = (_person_problem(setting.person, pack) for pack in packs)
    return next((problem for problem in problems if problem), None)


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


def _norm(name: str, packs: tuple[Pack, ...], engine: Engine, own_software: bool) -> _Norm:
    if own_software:
        return _Norm(name, packs, None, None, own_software)
    offset, head = (_joint_offset(packs, engine, region) for region in (name, "intracranial"))
    return _Norm(name, packs, offset, head, own_software)


def _joint_offset(packs: tuple[Pack, ...], engine: Engine, region: str) -> Offset | None:
    """Mean offset to the packs; they rest on the same heads, so its SD is the larger one."""
    found = [o for pack in packs if (o := pack.offset(engine.name, engine.version, region))]
    if len(found) < len(packs):
        return None
    ratio = math.exp(math.fsum(math.log(offset.ratio) for offset in found) / len(found))
    return Offset(ratio, max(o.ln_sd for o in found), found[0].n, found[0].data)


def _compare(measured: Quantity, setting: Setting, norm: _Norm) -> RegionScore | None:
    """Compare a value with its norm; None where nobody knows the engine's offset well enough.

    The caller has checked that everything needed is there.
    """
    if measured.value is None or setting.intracranial.value is None:
        raise ValueError("a value is only compared when it and the head size are known")
    ratio = norm.offset.ratio if norm.offset else 1.0
    error_sd = None if measured.error_sd is None else measured.error_sd / ratio
    compared = Quantity(measured.value / ratio, error_sd)
    expectation = norm.expect(setting.person, setting.intracranial.value)
    calibration = _calibration_part(compared, setting, norm, expectation)
    if calibration is None or calibration > MAX_CALIBRATION_SD_Z:
        return None
    parts = _parts(compared, setting, norm, expectation, calibration)
    z = norms.z_score(measured.value / ratio, expectation)
    return _said(measured, norm, expectation, z, parts)


def _parts(
    compared: Quantity,
    setting: Setting,
    norm: _Norm,
    expectation: norms.Expectation,
    calibration: float,
) -> SdParts:
    site_sd = max(pack.site_sd_z(norm.region) for pack in norm.packs)
    # The spread of sites was measured where scanners are not stated, so it holds theirs.
    site = math.sqrt(max(0.0, site_sd**2 - expectation.scanner_sd**2))
    return SdParts(
        pack=max(norms.fit_sd_z(pack, norm.region) for pack in norm.packs),
        site=site,
        scanner=expectation.scanner_sd,
        version=expectation.version_sd,
        calibration=calibration,
        retest=retest_sd_z(norm.region, compared, expectation),
        intracranial=_head_error_part(setting, norm, expectation),
    )


def _calibration_part(
    compared: Quantity, setting: Setting, norm: _Norm, expectation: norms.Expectation
) -> float | None:
    """SD of z from the engine's offset, in the region and in the head size."""
    if norm.own_software:
        return 0.0
    if compared.value is None or setting.intracranial.value is None:
        return None
    if norm.offset:
        slope = norms.z_slope(compared.value, expectation) * compared.value
        own: float | None = norm.offset.ln_sd * slope
    else:
        others = [pack.other_program_sd_z(norm.region) for pack in norm.packs]
        own = max((sd for sd in others if sd is not None), default=None)
    head_ln_sd = (
        norm.head_offset.ln_sd
        if norm.head_offset
        else max(pack.intracranial_ln_sd for pack in norm.packs)
    )
    head = _head_part(setting, norm, expectation, head_ln_sd * setting.intracranial.value)
    return None if own is None else math.hypot(own, head)


def _head_error_part(setting: Setting, norm: _Norm, expectation: norms.Expectation) -> float | None:
    error_sd = stated_or_published("intracranial", setting.intracranial).error_sd
    return None if error_sd is None else _head_part(setting, norm, expectation, error_sd)


def _head_part(
    setting: Setting, norm: _Norm, expectation: norms.Expectation, sd_mm3: float
) -> float:
    """SD of z from an error of the head size.

    A symmetric difference over one SD of head size: the norms are smooth, some of them cubic.
    """
    head = setting.intracranial.value or 0.0
    up, down = (norm.expect(setting.person, head + sign * sd_mm3) for sign in (1.0, -1.0))
    return abs(up.response - down.response) / (2.0 * expectation.resid_sd)


def _said(
    measured: Quantity, norm: _Norm, expectation: norms.Expectation, z: float, parts: SdParts
) -> RegionScore:
    side = direction(norm.region)
    verdict = judge(z, parts.total, side)
    offset = norm.offset or Offset(1.0, 0.0, 0, "")
    calibrated = Calibrated(offset.ratio, parts.calibration, offset.n, offset.data)
    return RegionScore(
        measured=measured,
        direction=side,
        pack="+".join(pack.name for pack in norm.packs),
        expected=expectation.expected,
        scale=expectation.scale,
        residual_sd=expectation.resid_sd,
        z=z,
        z_sd=parts.total,
        sd_parts=parts,
        calibration=None if norm.own_software else calibrated,
        centile=norms.centile(z),
        centile_band=centile_band(z, parts.total),
        severity=verdict.severity,
        severity_probabilities=verdict.probabilities,
        severity_reason=verdict.reason,
    )
