# SPDX-License-Identifier: Apache-2.0
"""A norm pack: published regression coefficients, where they come from and how far they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Response = Literal["mm3", "log10_mm3"]
Rule = Literal["sum", "log10_of_sum"]


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
    """A total of several regions for which the source published only the parts.

    ``sum`` adds the predicted parts (response in mm³); ``log10_of_sum`` adds the parts on the
    scale of mm³ and takes log10 of the total.
    """

    rule: Rule
    parts: tuple[str, ...]
    resid_sd: float

    @property
    def response(self) -> Response:
        """Scale on which the total is compared."""
        return "mm3" if self.rule == "sum" else "log10_mm3"


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
class Pack:
    """A versioned set of norms of one source and one software."""

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

    @property
    def site_sd_z(self) -> float:
        """Extra SD (in z) of a site the pack has not seen.

        ``new_site_sd_factor`` is how much wider the pack's own source found the z of a new site
        (1 where the residual already pools many sites), so the extra part is sqrt(f² − 1).
        """
        return math.sqrt(self.new_site_sd_factor**2 - 1.0)

    def calibration_sd_z(self, region: str) -> float | None:
        """SD (in z) of the unknown offset between this pack's software and another one.

        Root mean square, over the samples of healthy people measured with other software, of
        each sample's mean z, plus whatever its variance exceeds 1:
        sqrt(mean(mean_z² + max(0, sd_z² − 1))). An engine not calibrated to the pack is taken as
        one more such program: its offset is unknown, and about as large as theirs are.

        Returns
        -------
        float or None
            None where no such sample was measured.
        """
        rows = self.evidence.get(region, ())
        if not rows:
            return None
        excess = [row.mean_z**2 + max(0.0, row.sd_z**2 - 1.0) for row in rows]
        return math.sqrt(math.fsum(excess) / len(excess))
