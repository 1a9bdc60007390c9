# SPDX-License-Identifier: Apache-2.0
"""An engine's offset to a pack's software from a few heads measured with both, and a prior.

The logarithm of the ratio is normal. Before anything is measured the offset is 0 with the SD by
which other programs lie from the pack (`pack.Pack.other_program_sd_z`). The heads bring their
mean with its standard error, widened so that ±1.96 of it is Student's 95 % interval: three heads
know their own spread badly. The posterior is the normal-normal update of the two.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

from memoryguard.atrophy.domain.norms import CI95_Z
from memoryguard.atrophy.domain.pack import Offset
from memoryguard.atrophy.domain.site import SiteOffset

FEWEST_CONTROLS = 5
"""Fewer than that know neither their mean nor their spread."""


def posterior(mean_ln: float, sd_ln: float, n: int, prior_ln_sd: float, data: str) -> Offset:
    """Update the prior N(0, prior²) with n heads of mean and SD of ln(ratio).

    Parameters
    ----------
    mean_ln, sd_ln
        Mean and SD over the heads of ln(engine's value / the software's value).
    n
        How many heads; at least two.
    prior_ln_sd
        SD of ln(ratio) before, above 0.
    data
        Which heads.
    """
    mean, sd = updated(mean_ln, sd_ln, n, prior_ln_sd)
    return Offset(ratio=math.exp(mean), ln_sd=sd, n=n, data=data)


def updated(mean: float, sd: float, n: int, prior_sd: float) -> tuple[float, float]:
    """Mean and SD after n values of that mean and SD, before which it was N(0, prior²)."""
    widening = float(stdtrit(n - 1, 0.975)) / CI95_Z
    precision_data = 1.0 / (widening * sd / math.sqrt(n)) ** 2
    precision = precision_data + 1.0 / prior_sd**2
    return mean * precision_data / precision, 1.0 / math.sqrt(precision)


def ln_ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Mean and SD of ln(ours / theirs) over heads measured with both."""
    values = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    return statistics.fmean(values), statistics.stdev(values)


def site_offset(norm: str, zs: Sequence[float], prior_sd_z: float) -> SiteOffset:
    """Offset of a site from the z of its healthy controls.

    Parameters
    ----------
    norm
        What the z were taken with, see `norm_id`.
    zs
        One z a person, at least `FEWEST_CONTROLS`.
    prior_sd_z
        SD of the offset of a site that is not calibrated.
    """
    if len(zs) < FEWEST_CONTROLS:
        raise ValueError("too few healthy controls")
    mean, sd = updated(statistics.fmean(zs), statistics.stdev(zs), len(zs), prior_sd_z)
    return SiteOffset(norm, mean, sd, len(zs))
