# SPDX-License-Identifier: Apache-2.0
"""Expected value and z of a region for a person of given age, sex, head size and scanner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memoryguard.atrophy.domain.pack import Composite, Pack, RegionNorm


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
    """Prediction for one region on the scale of its response, and in mm³.

    `scanner_sd` is the spread (in z) over the scanners that the given facts leave possible: 0
    where the scanner is known or the pack has no scanner terms.
    """

    response: float
    expected_mm3: float
    resid_sd: float
    scanner_sd: float


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
    """Predicted response of `region`, on its own scale (mm³ or log10 mm³)."""
    norm = pack.regions[region]
    if isinstance(norm, Composite):
        parts = [predicted_response(pack, part, covariates, scanner) for part in norm.parts]
        if norm.rule == "sum":
            return math.fsum(parts)
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
    return math.fsum(
        term.coefficient * math.prod(letters[letter] ** power for letter, power in term.powers)
        for term in norm.terms
    )


def expect(
    pack: Pack, region: str, covariates: Covariates, scanners: Sequence[Scanner]
) -> Expectation:
    """Prediction averaged over the possible scanners, with their spread.

    The average stands in the middle of what the pack's own scanner terms allow; the spread is
    returned so that not knowing the scanner costs certainty instead of being ignored.
    """
    norm = pack.regions[region]
    responses = [predicted_response(pack, region, covariates, scanner) for scanner in scanners]
    mean = math.fsum(responses) / len(responses)
    variance = math.fsum((r - mean) ** 2 for r in responses) / len(responses)
    expected_mm3 = mean if norm.response == "mm3" else 10.0**mean
    return Expectation(mean, expected_mm3, norm.resid_sd, math.sqrt(variance) / norm.resid_sd)


def z_score(pack: Pack, region: str, volume_mm3: float, expectation: Expectation) -> float:
    """Give z = (response − predicted) / residual SD, the definition of the packs' authors."""
    return (_response(pack, region, volume_mm3) - expectation.response) / expectation.resid_sd


def z_slope_per_mm3(pack: Pack, region: str, volume_mm3: float) -> float:
    """dz/dvolume in 1/mm³: how a volume's error becomes an error of z."""
    norm = pack.regions[region]
    if norm.response == "mm3":
        return 1.0 / norm.resid_sd
    return 1.0 / (volume_mm3 * math.log(10.0) * norm.resid_sd)


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


def _response(pack: Pack, region: str, volume_mm3: float) -> float:
    return volume_mm3 if pack.regions[region].response == "mm3" else math.log10(volume_mm3)
