# SPDX-License-Identifier: Apache-2.0
"""Score one scan: every region against its norm, with the error of the z, or the reason for none.

One scan shows a low (or high) volume for age; loss over time needs two (see `change`).
"""

from __future__ import annotations

from collections.abc import Mapping

from memoryguard.atrophy.domain import norms
from memoryguard.atrophy.domain.asymmetry import asymmetries, ratios
from memoryguard.atrophy.domain.choice import CHOICES
from memoryguard.atrophy.domain.measure import Engine, Person, Quality, Quantity
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.domain.region import score_region
from memoryguard.atrophy.domain.result import Overall, RegionScore, Score
from memoryguard.atrophy.domain.severity import CLASSES, Severity

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
        name: score_region(name, volumes, person, packs, (choices or {}).get(name), refusal)
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
