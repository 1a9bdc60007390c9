# SPDX-License-Identifier: Apache-2.0
"""Error of a measurement that states none: what scanning the same people twice has shown.

Tables of other programs give volumes without errors. Where the within-subject variation of a
region was published (`rates`), it is taken; for others only the agreement of two scans was, as
an intraclass correlation above a bound, so that the error's SD is at most sqrt(1 − ICC) of the
SD over people. That upper bound is taken.
"""

from __future__ import annotations

import math

from memoryguard.atrophy.domain.measure import Quantity
from memoryguard.atrophy.domain.norms import Expectation, z_slope
from memoryguard.atrophy.domain.rates import RETEST_ERRORS

# FreeSurfer, 20 people scanned twice (PMC8784825): every volume above the first, every
# cortical thickness above the second.
LEAST_ICC_VOLUME = 0.97
LEAST_ICC_THICKNESS = 0.82


def retest_sd_z(region: str, measured: Quantity, expectation: Expectation) -> float | None:
    """SD of z from the measurement's own error; None where nothing is known about it.

    Parameters
    ----------
    region
        What was measured.
    measured
        Its value in mm³ or mm, with the engine's own error where it states one.
    expectation
        The norm's.
    """
    if measured.value is None:
        return None
    if measured.error_sd is not None:
        return z_slope(measured.value, expectation) * measured.error_sd
    if published := stated_or_published(region, measured).error_sd:
        return z_slope(measured.value, expectation) * published
    if expectation.population_sd is None:
        return None
    icc = LEAST_ICC_THICKNESS if expectation.scale == "mm" else LEAST_ICC_VOLUME
    return math.sqrt(1.0 - icc) * expectation.population_sd / expectation.resid_sd


def stated_or_published(region: str, measured: Quantity) -> Quantity:
    """Return the quantity with the published error where it states none itself."""
    published = RETEST_ERRORS.get(region)
    if measured.value is None or measured.error_sd is not None or published is None:
        return measured
    error_sd = measured.value * published.within_subject_cv_percent / 100.0
    return Quantity(measured.value, error_sd, measured.reason)
