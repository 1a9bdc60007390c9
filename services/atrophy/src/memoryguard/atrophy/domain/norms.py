# SPDX-License-Identifier: Apache-2.0
"""Expected value and z of a region for a person of given age, sex, head size and scanner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memoryguard.atrophy.domain.pack import Composite, Pack, RegionNorm, Response, Term

CI95_Z = 1.959963984540054
"""Half the width of a normal distribution's central 95 %, in SDs."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """Scanner as the norms know it; Siemens at 3 T is the reference."""

    field_1_5t: bool
    ge: bool
    philips: bool


@dataclass(frozen=True, slots=True)
class Covariates:
    """What a prediction depends on besides the scanner."""

    age_years: float
    male: bool
    icv_mm3: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """Prediction for one region on the scale of its response.

    Parameters
    ----------
    response
        Predicted response, the mean over the possible scanners and over the packs.
    scale
        mm3, log10_mm3 or mm.
    resid_sd
        SD by which a z divides.
    scanner_sd
        Spread (in z) over the scanners that the given facts leave possible: 0 where the scanner
        is known or the packs have no scanner terms.
    version_sd
        Spread (in z) between the packs, where more than one is asked.
    population_sd
        SD of the response over healthy adults, age and head size included; None where unknown.
    """

    response: float
    scale: Response
    resid_sd: float
    scanner_sd: float = 0.0
    version_sd: float = 0.0
    population_sd: float | None = None

    @property
    def expected(self) -> float:
        """In the unit of the measurement; for a logarithm that is the median."""
        return self.at(0.0)

    def at(self, z: float) -> float:
        """Value of that z, in the unit of the measurement: the inverse of `z_score`."""
        response = self.response + z * self.resid_sd
        return 10.0**response if self.scale == "log10_mm3" else response


def possible_scanners(field_strength_t: float | None, manufacturer: str | None) -> list[Scanner]:
    """Every scanner of the norms' six (three makers, two fields) that the header allows.

    Parameters
    ----------
    field_strength_t
        Tesla as stated by the scanner; 1.5 T class is below 2.25, 3 T class above.
    manufacturer
        Header text; a maker outside the norms (or none) leaves all three possible.
    """
    fields = [True, False] if field_strength_t is None else [field_strength_t < 2.25]
    text = (manufacturer or "").lower()
    makers = [maker for maker in ("siemens", "philips") if maker in text]
    if text.startswith("ge ") or text == "ge" or "general electric" in text:
        makers.append("ge")
    if len(makers) != 1:
        makers = ["siemens", "philips", "ge"]
    return [Scanner(f, maker == "ge", maker == "philips") for f in fields for maker in makers]


def predicted_response(pack: Pack, region: str, covariates: Covariates, scanner: Scanner) -> float:
    """Predicted response of `region`, on its own scale (mm³, log10 mm³ or mm)."""
    norm = pack.regions[region]
    if isinstance(norm, Composite):
        parts = [predicted_response(pack, part, covariates, scanner) for part in norm.parts]
        if norm.rule == "sum":
            return math.fsum(parts)
        if norm.rule == "mean":
            return _mean(parts)
        return math.log10(math.fsum(10.0**part for part in parts))
    return _polynomial(norm, covariates, scanner)


def _polynomial(norm: RegionNorm, covariates: Covariates, scanner: Scanner) -> float:
    letters = {
        "A": covariates.age_years - norm.center_age_years,
        "V": covariates.icv_mm3 - norm.center_icv_mm3,
        "M": float(covariates.male),
        "F": float(scanner.field_1_5t),
        "G": float(scanner.ge),
        "P": float(scanner.philips),
    }
    return math.fsum([_product(term, letters) for term in norm.terms])


def _product(term: Term, letters: Mapping[str, float]) -> float:
    # A plain loop: a curve over age asks some thousand times.
    product = 1.0
    for letter, power in term.powers:
        product *= letters[letter] ** power
    return term.coefficient * product


def expect(
    packs: Sequence[Pack], region: str, covariates: Covariates, scanners: Sequence[Scanner]
) -> Expectation:
    """Prediction averaged over the possible scanners and over the packs, with both spreads.

    The average stands in the middle of what the packs leave possible; the spreads are returned
    so that not knowing the scanner, or the software's version, costs certainty instead of being
    ignored.
    """
    first = packs[0].regions[region]
    by_pack = [[predicted_response(p, region, covariates, s) for s in scanners] for p in packs]
    by_scanner = [_mean(responses) for responses in zip(*by_pack, strict=True)]
    resid_sd = math.sqrt(_mean([pack.resid_sd(region) ** 2 for pack in packs]))
    known = [sd for pack in packs if (sd := pack.population_sd.get(region))]
    return Expectation(
        response=_mean(by_scanner),
        scale=first.response,
        resid_sd=resid_sd,
        scanner_sd=_spread(by_scanner) / resid_sd,
        version_sd=_spread([_mean(responses) for responses in by_pack]) / resid_sd,
        population_sd=_mean(known) if known else None,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _spread(values: Sequence[float]) -> float:
    middle = _mean(values)
    return math.sqrt(_mean([(value - middle) ** 2 for value in values]))


def z_score(value: float, expectation: Expectation) -> float:
    """Give z = (response − predicted) / SD, the definition of the packs' authors."""
    response = math.log10(value) if expectation.scale == "log10_mm3" else value
    return (response - expectation.response) / expectation.resid_sd


def z_slope(value: float, expectation: Expectation) -> float:
    """dz/dvalue, per mm³ or mm: how an error of the measurement becomes an error of z."""
    if expectation.scale == "log10_mm3":
        return 1.0 / (value * math.log(10.0) * expectation.resid_sd)
    return 1.0 / expectation.resid_sd


def fit_sd_z(pack: Pack, region: str) -> float:
    """SD (in z) of the expected value itself, from the finite sample behind the fit.

    The mean leverage of a least-squares fit with k coefficients on n people is k/n, so the
    prediction's standard error is sqrt(k/n) residual SDs on average. For a total, the larger of
    its parts' (they come from the same people, so their errors do not average out).
    """
    norm = pack.regions[region]
    if isinstance(norm, Composite):
        return max(fit_sd_z(pack, part) for part in norm.parts)
    return math.sqrt(len(norm.terms) / norm.fit_n)


def centile(z: float) -> float:
    """Centile of a z, 100·Φ(z), in percent."""
    return 50.0 * math.erfc(-z / math.sqrt(2.0))
