# SPDX-License-Identifier: Apache-2.0
"""Compare one region with its norm, or say why it cannot be compared."""

from __future__ import annotations

from memoryguard.atrophy.domain import norms, plausible
from memoryguard.atrophy.domain.choice import NormChoice
from memoryguard.atrophy.domain.curve import curve, values_at
from memoryguard.atrophy.domain.measure import Person, Quantity
from memoryguard.atrophy.domain.pack import Offset, Pack
from memoryguard.atrophy.domain.result import Calibrated, RegionScore
from memoryguard.atrophy.domain.setting import Norm, Setting, norm_of
from memoryguard.atrophy.domain.severity import centile_band, direction, judge
from memoryguard.atrophy.domain.uncertainty import sd_parts


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
    norm = norm_of(name, choice, setting) if choice else None
    reason = setting.refusal or _why_not(name, measured, setting, norm)
    if reason is None and norm:
        score = _compare(measured, setting, norm)
        if score is not None:
            return score
        reason = "norm_not_transferable"
    return RegionScore(measured, direction(name), pack=norm.name if norm else None, reason=reason)


def _why_not(name: str, measured: Quantity, setting: Setting, norm: Norm | None) -> str | None:
    """Reason why a region cannot be compared with its norm, None where it can."""
    if measured.value is None:
        return measured.reason or "not_measured"
    if problem := plausible.problem(name, measured.value):
        return problem
    if norm is None:
        return "no_norm_for_region"
    head = setting.intracranial.value
    if head is None:
        return "intracranial_unknown"
    if problem := plausible.problem("intracranial", head):
        return problem
    problems = (_person_problem(setting.person, pack) for pack in norm.packs)
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


def _compare(measured: Quantity, setting: Setting, norm: Norm) -> RegionScore | None:
    """Compare a value with its norm; None where nobody knows the engine's offset well enough.

    The caller has checked that everything needed is there.
    """
    age_years, head_mm3 = setting.person.age_years, setting.intracranial.value
    if measured.value is None or age_years is None or head_mm3 is None:
        raise ValueError("a value is only compared when it, the age and the head size are known")
    ratio = norm.offset.ratio if norm.offset else 1.0
    value = measured.value / ratio
    error_sd = None if measured.error_sd is None else measured.error_sd / ratio
    expectation = norm.expect(setting.person, head_mm3)
    parts = sd_parts(Quantity(value, error_sd), setting, norm, expectation)
    if parts is None:
        return None
    z = norms.z_score(value, expectation) - (norm.site.mean_z if norm.site else 0.0)
    side, offset = direction(norm.region), norm.offset or Offset(1.0, 0.0, 0, "")
    calibrated = Calibrated(offset.ratio, parts.calibration, offset.n, offset.data)
    verdict = judge(z, parts.total, side)
    return RegionScore(
        measured=measured,
        direction=side,
        pack=norm.name,
        expected=expectation.expected,
        median=values_at(age_years, norm, setting)["p50"],
        scale=expectation.scale,
        residual_sd=expectation.resid_sd,
        z=z,
        z_sd=parts.total,
        sd_parts=parts,
        calibration=None if norm.own_software else calibrated,
        site=norm.site,
        centile=norms.centile(z),
        centile_band=centile_band(z, parts.total),
        severity=verdict.severity,
        severity_probabilities=verdict.probabilities,
        severity_reason=verdict.reason,
        curve=curve(norm, setting),
    )
