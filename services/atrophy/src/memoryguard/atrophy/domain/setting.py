# SPDX-License-Identifier: Apache-2.0
"""What a region of a scan is compared under, and the norm that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from memoryguard.atrophy.domain import norms
from memoryguard.atrophy.domain.choice import MAX_CALIBRATION_SD_Z, NormChoice
from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.pack import Offset, Pack
from memoryguard.atrophy.domain.site import Site, SiteOffset, norm_id


@dataclass(frozen=True, slots=True)
class Setting:
    """What every region of one scan is compared under.

    Parameters
    ----------
    person
        Whose scan it is.
    engine
        What measured it.
    intracranial
        Head size in mm³.
    packs
        Norm packs by name.
    site
        Offsets that healthy controls of this scanner have, None where it is not calibrated.
    refusal
        A reason against scoring the scan at all.
    max_calibration_sd_z
        An engine's offset known worse than this leaves no z to speak of.
    """

    person: Person
    engine: Engine
    intracranial: Quantity
    packs: Mapping[str, Pack]
    site: Site | None = None
    refusal: str | None = None
    max_calibration_sd_z: float = MAX_CALIBRATION_SD_Z


@dataclass(frozen=True, slots=True)
class Norm:
    """The packs chosen for one region, with what is known of the engine's and site's offsets."""

    region: str
    packs: tuple[Pack, ...]
    own_software: bool
    offset: Offset | None = None
    head_offset: Offset | None = None
    site: SiteOffset | None = None

    @property
    def name(self) -> str:
        """Names of the packs, joined by a plus."""
        return "+".join(pack.name for pack in self.packs)

    def expect(self, person: Person, icv_mm3: float) -> norms.Expectation:
        """Expectation for somebody, after taking the engine's offset out of the head size."""
        if person.age_years is None:
            raise ValueError("a norm needs an age")
        head = icv_mm3 / (self.head_offset.ratio if self.head_offset else 1.0)
        covariates = norms.Covariates(person.age_years, person.sex == "M", head)
        scanners = norms.possible_scanners(person.field_strength_t, person.manufacturer)
        return norms.expect(self.packs, self.region, covariates, scanners)


def norm_of(region: str, choice: NormChoice, setting: Setting) -> Norm:
    """Join the chosen packs with the offsets that are known."""
    packs = tuple(setting.packs[name] for name in choice.packs)
    site = setting.site.regions.get(region) if setting.site else None
    if site and site.norm != norm_id(packs):
        site = None
    if choice.own_software:
        return Norm(region, packs, own_software=True, site=site)
    offset, head = (_joint(packs, setting.engine, each) for each in (region, "intracranial"))
    return Norm(region, packs, False, offset, head, site)


def _joint(packs: tuple[Pack, ...], engine: Engine, region: str) -> Offset | None:
    """Mean offset to the packs; they rest on the same heads, so its SD is the larger one."""
    found = [o for pack in packs if (o := pack.offset(engine.name, engine.version, region))]
    if len(found) < len(packs):
        return None
    ratio = math.exp(math.fsum(math.log(offset.ratio) for offset in found) / len(found))
    return Offset(ratio, max(o.ln_sd for o in found), found[0].n, found[0].data)
