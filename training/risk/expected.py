# SPDX-License-Identifier: Apache-2.0
"""What a norm pack expects of many people at once: the atrophy domain's own pack, vectorised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memoryguard.atrophy.domain.norms import Covariates, Scanner, predicted_response
from memoryguard.atrophy.domain.pack import Composite, Pack

CHECKED = 5


def expected(
    pack: Pack,
    region: str,
    age_years: NDArray[np.float64],
    male: NDArray[np.float64],
    icv_mm3: NDArray[np.float64],
    scanners: Sequence[Scanner],
) -> NDArray[np.float64]:
    """Expected response (n,) on the norm's own scale (mm³ or log10 mm³), mean of `scanners`.

    The first few are compared with `predicted_response`, the service's own.
    """
    found = np.mean(
        [_response(pack, region, age_years, male, icv_mm3, scanner) for scanner in scanners], axis=0
    )
    for place in range(min(CHECKED, len(found))):
        person = Covariates(float(age_years[place]), bool(male[place]), float(icv_mm3[place]))
        theirs = [predicted_response(pack, region, person, scanner) for scanner in scanners]
        if abs(np.mean(theirs) - found[place]) > 1e-6:
            raise ArithmeticError("the vectorised norm differs from the service's")
    return found


def _response(
    pack: Pack,
    region: str,
    age_years: NDArray[np.float64],
    male: NDArray[np.float64],
    icv_mm3: NDArray[np.float64],
    scanner: Scanner,
) -> NDArray[np.float64]:
    norm = pack.regions[region]
    if isinstance(norm, Composite):
        parts = [_response(pack, part, age_years, male, icv_mm3, scanner) for part in norm.parts]
        if norm.rule == "sum":
            return np.sum(parts, axis=0)
        return np.log10(np.sum(10.0 ** np.asarray(parts), axis=0))
    letters = {
        "A": age_years - norm.center_age_years,
        "V": icv_mm3 - norm.center_icv_mm3,
        "M": male,
        "F": float(scanner.field_1_5t),
        "G": float(scanner.ge),
        "P": float(scanner.philips),
    }
    total = np.zeros_like(age_years)
    for term in norm.terms:
        product = np.ones_like(age_years)
        for letter, power in term.powers:
            product = product * letters[letter] ** power
        total += term.coefficient * product
    return total
