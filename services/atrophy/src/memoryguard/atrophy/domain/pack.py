# SPDX-License-Identifier: Apache-2.0
"""A norm pack: published regression coefficients, where they come from and how far they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Response = Literal["mm3", "log10_mm3", "mm"]
Rule = Literal["sum", "log10_of_sum", "mean"]

# For a region whose spread between sites nobody measured, never none at all: make_packs.py finds
# .25 to .5 for hippocampi and ventricles, .7 to 1.1 for cortex and whole brain.
UNMEASURED_SITE_SD_Z = 0.8


@dataclass(frozen=True, slots=True)
class Term:
    """One product of covariates with its coefficient, e.g. ``A*M`` or ``V^2``.

    `powers` pairs a covariate letter (A age, V intracranial volume, M male, F 1.5 T, G GE,
    P Philips; A and V centred) with its exponent; empty for the intercept.
    """

    coefficient: float
    powers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RegionNorm:
    """Regression of one region: the sum of `terms` predicts the response.

    `resid_sd` is the residual standard deviation on the scale of the response, `fit_n` the
    number of people behind the fit.
    """

    response: Response
    center_age_years: float
    center_icv_mm3: float
    terms: tuple[Term, ...]
    resid_sd: float
    fit_n: int


@dataclass(frozen=True, slots=True)
class Composite:
    """A total or mean of several regions for which the source published only the parts.

    ``sum`` and ``mean`` combine the predicted parts; ``log10_of_sum`` adds the parts on the
    scale of mm³ and takes log10 of the total.
    """

    rule: Rule
    parts: tuple[str, ...]
    resid_sd: float

    @property
    def response(self) -> Response:
        """Scale on which the whole is compared: sides of a volume add up, thicknesses average."""
        scales: dict[Rule, Response] = {"sum": "mm3", "log10_of_sum": "log10_mm3", "mean": "mm"}
        return scales[self.rule]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What this norm's z looks like in healthy people measured with other software elsewhere.

    A norm that carried over perfectly would show mean 0 and SD 1 (or less, since the pack's
    residual also holds its own sites).
    """

    sample: str
    software: str
    n: int
    mean_z: float
    sd_z: float


@dataclass(frozen=True, slots=True)
class SiteSpread:
    """SD of the mean z between sites that the pack has not seen, with its 95 % interval."""

    sd_z: float
    ci95: tuple[float, float]
    n_sites: int
    n_people: int
    sample: str


@dataclass(frozen=True, slots=True)
class Offset:
    """How an engine's values relate to the pack's software: divide by `ratio`.

    `ln_sd` is the SD of ln(ratio); `n` heads were measured with both.
    """

    ratio: float
    ln_sd: float
    n: int
    data: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """Offsets of one version of an engine, by region; ``intracranial`` may be among them."""

    engine: str
    version: str
    regions: dict[str, Offset]


@dataclass(frozen=True, slots=True)
class Pack:
    """A versioned set of norms of one source and one software.

    `engines` is empty in shipped packs, which `choice` knows; a deployment's own pack names
    there the engines that are its software. `sha256` and `signed_by` tell which bytes it was
    read from and whose key vouches for them.
    """

    name: str
    version: str
    citation: tuple[str, ...]
    address: str
    licence: str
    exactness: str
    software: str
    population: str
    valid_age_years: tuple[float, float]
    field_strengths_t: tuple[float, ...]
    new_site_sd_factor: float
    regions: dict[str, RegionNorm | Composite]
    evidence: dict[str, tuple[Evidence, ...]]
    sites: dict[str, SiteSpread] = field(default_factory=dict[str, SiteSpread])
    population_sd: dict[str, float] = field(default_factory=dict[str, float])
    calibrations: tuple[Calibration, ...] = ()
    intracranial_ln_sd: float = 0.0
    engines: tuple[str, ...] = ()
    sha256: str = ""
    signed_by: str = ""

    def resid_sd(self, region: str) -> float:
        """SD by which a z of this pack divides, on the scale of the response.

        ``new_site_sd_factor`` is how much wider people of a site outside the fit were found to
        spread: 1 where the residual already pools many sites.
        """
        return self.regions[region].resid_sd * self.new_site_sd_factor

    def site_sd_z(self, region: str) -> float:
        """SD (in z) of the offset of a site that the pack has not seen.

        Where it was not measured: what the pack's own factor for a new site leaves, else
        `UNMEASURED_SITE_SD_Z`.
        """
        if spread := self.sites.get(region):
            return spread.sd_z
        factor = self.new_site_sd_factor
        return math.sqrt(factor**2 - 1.0) / factor if factor > 1.0 else UNMEASURED_SITE_SD_Z

    def offset(self, engine: str, version: str, region: str) -> Offset | None:
        """Return what was measured about an engine's version, None where nothing was."""
        for calibration in self.calibrations:
            if (calibration.engine, calibration.version) == (engine, version):
                return calibration.regions.get(region)
        return None

    def other_program_sd_z(self, region: str) -> float | None:
        """SD (in z) of the unknown offset between this pack's software and another one.

        Root mean square, over the samples of healthy people measured with other software, of
        each sample's mean z, plus whatever its variance exceeds 1:
        sqrt(mean(mean_z² + max(0, sd_z² − 1))). An engine not calibrated to the pack is taken as
        one more such program: its offset is unknown, and about as large as theirs are. The sides
        of a structure and their total share one figure: there are few samples, and one of them
        may lie near 0 by chance.

        Returns
        -------
        float or None
            None where no such sample was measured.
        """
        rows = [row for name in self._kin(region) for row in self.evidence.get(name, ())]
        if not rows:
            return None
        excess = [row.mean_z**2 + max(0.0, row.sd_z**2 - 1.0) for row in rows]
        return math.sqrt(math.fsum(excess) / len(excess))

    def _kin(self, region: str) -> tuple[str, ...]:
        """Sides and total of one structure, the region itself among them."""
        for name, norm in self.regions.items():
            if isinstance(norm, Composite) and region in (name, *norm.parts):
                return (name, *norm.parts)
        return (region,)
