# SPDX-License-Identifier: Apache-2.0
"""The parts of a z's SD. docs/MEASUREMENT.md says what each is."""

from __future__ import annotations

import math

from memoryguard.atrophy.domain import norms
from memoryguard.atrophy.domain.measure import Quantity
from memoryguard.atrophy.domain.result import SdParts
from memoryguard.atrophy.domain.retest import retest_sd_z, stated_or_published
from memoryguard.atrophy.domain.setting import Norm, Setting


def sd_parts(
    compared: Quantity, setting: Setting, norm: Norm, expectation: norms.Expectation
) -> SdParts | None:
    """Every part; None where nobody knows the engine's offset well enough for a z.

    Parameters
    ----------
    compared
        The measurement, the engine's offset taken out.
    setting, norm, expectation
        What it is compared under, and with.
    """
    pack = max(norms.fit_sd_z(each, norm.region) for each in norm.packs)
    retest = retest_sd_z(norm.region, compared, expectation)
    head = _head_error(setting, norm, expectation)
    if norm.site:
        # What is constant at a site is in the mean of its controls, whatever it comes from.
        return SdParts(pack, norm.site.sd_z, 0.0, 0.0, 0.0, retest, head)
    calibration = _calibration(compared, setting, norm, expectation)
    if calibration is None or calibration > setting.max_calibration_sd_z:
        return None
    site_sd = max(each.site_sd_z(norm.region) for each in norm.packs)
    # The spread of sites was measured where scanners are not stated, so it holds theirs.
    site = math.sqrt(max(0.0, site_sd**2 - expectation.scanner_sd**2))
    return SdParts(
        pack, site, expectation.scanner_sd, expectation.version_sd, calibration, retest, head
    )


def _calibration(
    compared: Quantity, setting: Setting, norm: Norm, expectation: norms.Expectation
) -> float | None:
    """SD of z from the engine's offset, in the region and in the head size."""
    if norm.own_software:
        return 0.0
    if compared.value is None or setting.intracranial.value is None:
        return None
    if norm.offset:
        slope = norms.z_slope(compared.value, expectation) * compared.value
        own: float | None = norm.offset.ln_sd * slope
    else:
        others = [pack.other_program_sd_z(norm.region) for pack in norm.packs]
        own = max((sd for sd in others if sd is not None), default=None)
    head_ln_sd = (
        norm.head_offset.ln_sd
        if norm.head_offset
        else max(pack.intracranial_ln_sd for pack in norm.packs)
    )
    head = _head(setting, norm, expectation, head_ln_sd * setting.intracranial.value)
    return None if own is None else math.hypot(own, head)


def _head_error(setting: Setting, norm: Norm, expectation: norms.Expectation) -> float | None:
    error_sd = stated_or_published("intracranial", setting.intracranial).error_sd
    return None if error_sd is None else _head(setting, norm, expectation, error_sd)


def _head(setting: Setting, norm: Norm, expectation: norms.Expectation, sd_mm3: float) -> float:
    """SD of z from an error of the head size.

    A symmetric difference over one SD of head size: the norms are smooth, some of them cubic.
    """
    head = setting.intracranial.value or 0.0
    up, down = (norm.expect(setting.person, head + sign * sd_mm3) for sign in (1.0, -1.0))
    return abs(up.response - down.response) / (2.0 * expectation.resid_sd)
