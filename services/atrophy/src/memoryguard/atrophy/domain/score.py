# SPDX-License-Identifier: Apache-2.0
"""Score one scan: every region against its norm, with the error of the z, or the reason for none.

One scan shows a low (or high) volume for age; loss over time needs two (see `change`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from memoryguard.atrophy.domain import norms
from memoryguard.atrophy.domain.asymmetry import asymmetries, ratios
from memoryguard.atrophy.domain.choice import CHOICES, MAX_CALIBRATION_SD_Z, NormChoice
from memoryguard.atrophy.domain.measure import Engine, Person, Quality, Quantity
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.severity import (
    CLASSES,
    Direction,
    Severity,
    centile_band,
    direction,
    judge,
)

# Regions whose severity makes up the overall word: one summary each for the hippocampi, the
# ventricles, the cortex and the whole brain, so that nothing counts twice.
OVERALL_REGIONS = (
    "hippocampus_total",
    "lateral_ventricles",
    "total_brain",
    "cortical_grey_matter",
)

# Intracranial volume of healthy adults in mm³ (mean, SD): mid of five tables of four programs
# (fcon1000, IXI with FreeSurfer and with SynthSeg, OASIS-1; programs differ by up to 9 %), hence
# flagged only beyond 2.5 SD and never refused for it.
INTRACRANIAL_MM3 = {"F": (1_405_000.0, 135_000.0), "M": (1_580_000.0, 145_000.0)}
INTRACRANIAL_FLAG_SD = 2.5


@dataclass(frozen=True, slots=True)
class SdParts:
    """What makes a z uncertain, each part as a standard deviation in z units.

    Parameters
    ----------
    pack
        Expected value of the norm, from its finite sample.
    site
        A site that the pack has not seen.
    scanner
        Scanner unknown or of a maker the pack does not know.
    calibration
        Offset between the engine and the pack's software, uncalibrated so far; 0 where the
        engine is that software.
    measurement
        Error of the volume itself; None where the engine gave none.
    intracranial
        Error of the intracranial volume by which the norm adjusts; None where not given.
    """

    pack: float
    site: float
    scanner: float
    calibration: float
    measurement: float | None
    intracranial: float | None

    @property
    def total(self) -> float | None:
        """Root sum of squares of all parts; None where a part is unknown."""
        if self.measurement is None or self.intracranial is None:
            return None
        parts = (self.pack, self.site, self.scanner, self.calibration)
        return math.hypot(*parts, self.measurement, self.intracranial)


@dataclass(frozen=True, slots=True)
class RegionScore:
    """One region against its norm.

    `z` counts residual SDs of the norm (`residual_sd`, on the scale of `response`); `z_sd` is how
    uncertain that z is, from `sd_parts`. `expected_mm3` is the norm's prediction (for ventricles
    the median, since their logarithm is normal). `centile` is in percent, `centile_band` its 80 %
    band. `reason` says why `z` is None, `severity_reason` why the word is "uncertain".
    """

    volume: Quantity
    direction: Direction
    pack: str | None = None
    expected_mm3: float | None = None
    response: str | None = None
    residual_sd: float | None = None
    z: float | None = None
    z_sd: float | None = None
    sd_parts: SdParts | None = None
    centile: float | None = None
    centile_band: tuple[float, float] | None = None
    severity: Severity | None = None
    severity_probabilities: dict[Severity, float] | None = None
    severity_reason: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Overall:
    """The worst certain severity of `OVERALL_REGIONS`.

    `severity` is "uncertain" where nothing worse than "none" is certain and some region is
    uncertain; None, with the reason, where no region could be scored. `region` names where the
    word comes from. `at_least` is True where a region beside it is uncertain, so that the truth
    may be worse than the word.
    """

    severity: Severity | None
    region: str | None
    at_least: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """All that one scan says against the norms."""

    regions: dict[str, RegionScore]
    overall: Overall
    asymmetry_percent: dict[str, Quantity]
    ratios: dict[str, Quantity]
    packs: dict[str, str]
    flags: tuple[str, ...]


def score(
    volumes: Mapping[str, Quantity],
    person: Person,
    packs: Mapping[str, Pack],
    engine: Engine,
    quality: Quality = "accepted",
) -> Score:
    """Score one scan.

    Parameters
    ----------
    volumes
        Volumes in mm³ by region, ``intracranial`` among them.
    person
        Age, sex and scanner, each of which may be unknown.
    packs
        Norm packs by name.
    engine
        The engine that measured; its name chooses the norm of each region.
    quality
        Verdict on the scan; a refused one is never scored.

    Returns
    -------
    Score
        One entry for every region given (but ``intracranial``) or known to the engine's norms.
    """
    choices = CHOICES.get(engine.name)
    names = [name for name in volumes if name != "intracranial"]
    names += [name for name in choices or {} if name not in volumes]
    refusal = "quality_refused" if quality == "refused" else None
    if refusal is None and choices is None:
        refusal = "no_norm_for_engine"
    regions = {
        name: _region(name, volumes, person, packs, (choices or {}).get(name), refusal)
        for name in names
    }
    usable = {} if quality == "refused" else volumes
    return Score(
        regions=regions,
        overall=overall(regions),
        asymmetry_percent=asymmetries(usable),
        ratios=ratios(usable),
        packs={name: packs[name].version for name in sorted(_used(regions))},
        flags=_flags(volumes, person),
    )


def overall(regions: Mapping[str, RegionScore]) -> Overall:
    """Worst certain severity over `OVERALL_REGIONS`; see `Overall`."""
    found = {
        name: regions[name].severity
        for name in OVERALL_REGIONS
        if name in regions and regions[name].severity is not None
    }
    if not found:
        return Overall(None, None, at_least=False, reason="no_region_scored")
    unsure = [name for name, severity in found.items() if severity == "uncertain"]
    certain = {name: severity for name, severity in found.items() if severity in CLASSES}
    worst = max(certain, key=lambda name: CLASSES.index(certain[name] or "none"), default=None)
    if worst is None or (certain[worst] == "none" and unsure):
        return Overall("uncertain", None, at_least=False, reason="class_uncertain")
    return Overall(certain[worst], worst, at_least=bool(unsure), reason=None)


def _region(
    name: str,
    volumes: Mapping[str, Quantity],
    person: Person,
    packs: Mapping[str, Pack],
    choice: NormChoice | None,
    refusal: str | None,
) -> RegionScore:
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
    if volume.value <= 0.0:
        return "volume_not_positive"
    if pack is None:
        return "no_norm_for_region"
    if intracranial is None or intracranial.value is None:
        return "intracranial_unknown"
    if intracranial.value <= 0.0:
        return "intracranial_not_positive"
    return _person_problem(person, pack)


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
    if volume.value is None or intracranial.value is None or person.age_years is None:
        raise ValueError("a volume is only compared when it, the head size and the age are known")
    scanners = norms.possible_scanners(person.field_strength_t, person.manufacturer)

    def at(icv_mm3: float) -> norms.Expectation:
        covariates = norms.Covariates(person.age_years or 0.0, person.sex == "M", icv_mm3)
        return norms.expect(pack, name, covariates, scanners)

    expectation = at(intracranial.value)
    z = norms.z_score(pack, name, volume.value, expectation)
    slope = norms.z_slope_per_mm3(pack, name, volume.value)
    icv_part: float | None = None
    if intracranial.error_sd is not None:
        # Symmetric difference over one SD of head size: norms are smooth, some of them cubic.
        up, down = (at(intracranial.value + s * intracranial.error_sd) for s in (1.0, -1.0))
        icv_part = abs(up.response - down.response) / (2.0 * expectation.resid_sd)
    parts = SdParts(
        pack=norms.fit_sd_z(pack, name),
        site=pack.site_sd_z,
        scanner=expectation.scanner_sd,
        calibration=0.0 if own_software else pack.calibration_sd_z(name) or 0.0,
        measurement=None if volume.error_sd is None else slope * volume.error_sd,
        intracranial=icv_part,
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


def _used(regions: Mapping[str, RegionScore]) -> set[str]:
    return {region.pack for region in regions.values() if region.pack and region.z is not None}


def _flags(volumes: Mapping[str, Quantity], person: Person) -> tuple[str, ...]:
    """Things a reader should know that do not forbid a score."""
    flags: list[str] = []
    scanners = norms.possible_scanners(person.field_strength_t, person.manufacturer)
    if len(scanners) > 1:
        flags.append("scanner_unknown")
    icv = volumes.get("intracranial")
    if icv and icv.value is not None and person.sex is not None:
        mean, sd = INTRACRANIAL_MM3[person.sex]
        if abs(icv.value - mean) > INTRACRANIAL_FLAG_SD * sd:
            flags.append("intracranial_unusual")
    return tuple(flags)
