# SPDX-License-Identifier: Apache-2.0
"""What a site's own healthy controls say about its scanner: a constant offset of z by region.

Controls measured with the same engine on the same scanner are off by everything that is constant
there at once: the site, the scanner, the version of the software, the engine's offset to the
norm's. Their mean z estimates the sum of it. Before, that sum is 0 with the SD that those parts
have for a site nobody calibrated; the posterior is the normal-normal update of the two
(`calibrate.site_offset`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memoryguard.atrophy.domain.measure import Engine, Person
from memoryguard.atrophy.domain.pack import Pack


@dataclass(frozen=True, slots=True)
class SiteOffset:
    """Mean z of healthy controls after the update, its SD, and how many there were.

    `norm` names packs and versions that it was measured with; it says nothing about others.
    """

    norm: str
    mean_z: float
    sd_z: float
    n: int


@dataclass(frozen=True, slots=True)
class Site:
    """Offsets of one engine on one scanner, from a signed file."""

    name: str
    engine: Engine
    manufacturer: str
    field_strength_t: float
    regions: Mapping[str, SiteOffset]
    sha256: str = ""
    signed_by: str = ""

    def covers(self, engine: Engine, person: Person) -> bool:
        """Whether a scan was made by that scanner and measured by that version of the engine."""
        maker = (person.manufacturer or "").strip().casefold()
        field_t = person.field_strength_t
        return (
            engine == self.engine
            and maker == self.manufacturer.strip().casefold()
            and field_t is not None
            and abs(field_t / self.field_strength_t - 1.0) < 0.01
        )


def norm_id(packs: Sequence[Pack]) -> str:
    """Name the packs behind a z, with their versions."""
    return "+".join(f"{pack.name} {pack.version}" for pack in packs)
