# SPDX-License-Identifier: Apache-2.0
"""Score one scan: every region against its norm, with the error of the z, or the reason for none.

One scan shows a low (or high) volume for age; loss over time needs two (see `change`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memoryguard.atrophy.domain import norms, plausible
from memoryguard.atrophy.domain.asymmetry import asymmetries, ratios
from memoryguard.atrophy.domain.choice import NormChoice, choices
from memoryguard.atrophy.domain.measure import Engine, Person, Quality, Quantity
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.region import score_region
from memoryguard.atrophy.domain.result import Overall, RegionScore, Score
from memoryguard.atrophy.domain.setting import Setting
from memoryguard.atrophy.domain.severity import CLASSES, Severity
from memoryguard.atrophy.domain.site import Site
from memoryguard.atrophy.domain.summary import summaries
from memoryguard.common.vocabulary import THICKNESS

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


_ABSENT = Quantity(None, None, "not_measured")


def score(
    volumes: Mapping[str, Quantity],
    person: Person,
    packs: Mapping[str, Pack],
    engine: Engine,
    quality: Quality = "accepted",
    thickness: Mapping[str, Quantity] | None = None,
    sites: Sequence[Site] = (),
) -> Score:
    """Score one scan.

    Parameters
    ----------
    volumes
        Volumes in mm³ by region, ``intracranial`` among them.
    person
        Age, sex and scanner, each of which may be unknown.
    packs, sites
        Norm packs by name; scanners that healthy controls are known of.
    engine
        The engine that measured; its name and version choose the norm of each region.
    quality
        Verdict on the scan; a refused one is never scored.
    thickness
        Thicknesses in mm by name.

    Returns
    -------
    Score
        One entry for every region given (but ``intracranial``) or known to the engine's norms.
    """
    chosen = choices(engine, packs)
    head = volumes.get("intracranial", _ABSENT)
    site = next((each for each in sites if each.covers(engine, person)), None)
    setting = Setting(person, engine, head, packs, site, _refusal(quality, chosen))
    thick = {name: chosen[name] for name in chosen if name in THICKNESS}
    regions = _each(volumes, {n: chosen[n] for n in chosen if n not in thick}, setting)
    thicknesses = _each(thickness or {}, thick, setting)
    usable = {} if quality == "refused" else _believed(volumes)
    return Score(
        regions=regions,
        thickness=thicknesses,
        summaries=summaries(regions | thicknesses),
        overall=overall(regions),
        asymmetry_percent=asymmetries(usable),
        ratios=ratios(usable),
        packs={name: packs[name].version for name in sorted(_used(regions | thicknesses))},
        flags=_flags(volumes, person),
        site=site,
    )


def _refusal(quality: Quality, chosen: Mapping[str, NormChoice]) -> str | None:
    """Reason against scoring a scan at all."""
    if quality == "refused":
        return "quality_refused"
    return None if chosen else "no_norm_for_engine"


def _believed(volumes: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Volumes that can be ones in mm³; the others with their reason."""
    return {
        name: Quantity(None, None, why)
        if quantity.value is not None and (why := plausible.problem(name, quantity.value))
        else quantity
        for name, quantity in volumes.items()
    }


def _each(
    measured: Mapping[str, Quantity], chosen: Mapping[str, NormChoice], setting: Setting
) -> dict[str, RegionScore]:
    """Score what was measured, and name what has a norm but was not."""
    names = [name for name in (*measured, *chosen) if name != "intracranial"]
    return {
        name: score_region(name, measured.get(name, _ABSENT), setting, chosen.get(name))
        for name in dict.fromkeys(names)
    }


def overall(regions: Mapping[str, RegionScore]) -> Overall:
    """Worst certain severity over `OVERALL_REGIONS`; see `Overall`."""
    found: dict[str, Severity] = {
        name: severity
        for name in OVERALL_REGIONS
        if name in regions and (severity := regions[name].severity) is not None
    }
    if not found:
        return Overall(None, None, at_least=False, considered=(), reason="no_region_scored")
    considered = tuple(found)
    certain = [name for name in considered if found[name] != "uncertain"]
    unsure = len(certain) < len(considered)
    worst = max(certain, key=lambda name: CLASSES.index(found[name]), default=None)
    if worst is None or (found[worst] == "none" and unsure):
        return Overall("uncertain", None, False, considered, "class_uncertain")
    return Overall(found[worst], worst, unsure, considered, None)


def _used(regions: Mapping[str, RegionScore]) -> set[str]:
    scored = (region.pack for region in regions.values() if region.pack and region.z is not None)
    return {name for joined in scored for name in joined.split("+")}


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
