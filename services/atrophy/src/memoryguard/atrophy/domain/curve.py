# SPDX-License-Identifier: Apache-2.0
"""The norm of one region over age: what to draw a person's value on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from memoryguard.atrophy.domain.setting import Norm, Setting

STEP_YEARS = 5
CENTILES_Z: Mapping[str, float] = {
    "p5": -1.6448536269514722,
    "p25": -0.6744897501960817,
    "p50": 0.0,
    "p75": 0.6744897501960817,
    "p95": 1.6448536269514722,
}
"""Quantiles of the normal distribution, which the packs' residuals have on their own scale."""
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Curve:
    """Values at each centile of healthy people of that sex, head size and scanner, by age.

    In the unit of the measurement and as the engine would measure them: its offset, and that of
    the site, are in them, so that a measured value lies at the centile that its z says.
    """

    age_years: tuple[float, ...]
    centiles: Mapping[str, tuple[float, ...]]


def curve(norm: Norm, setting: Setting) -> Curve:
    """Draw a norm over the ages for which all its packs hold.

    The head size is this person's at every age: the curve compares people, and tells nobody's
    future.
    """
    ages = ages_of(norm)
    at_ages = [values_at(age, norm, setting) for age in ages]
    return Curve(ages, {name: tuple(_short(at[name]) for at in at_ages) for name in CENTILES_Z})


def ages_of(norm: Norm) -> tuple[float, ...]:
    """Give the first age, every fifth year, and the last."""
    low = max(pack.valid_age_years[0] for pack in norm.packs)
    high = min(pack.valid_age_years[1] for pack in norm.packs)
    first = math.floor(low / STEP_YEARS) + 1
    between = range(first * STEP_YEARS, math.ceil(high), STEP_YEARS)
    return (float(low), *map(float, between), float(high))


def values_at(age_years: float, norm: Norm, setting: Setting) -> dict[str, float]:
    """Give the value at each centile of one age."""
    if setting.intracranial.value is None:
        raise ValueError("a norm needs a head size")
    person = replace(setting.person, age_years=age_years)
    expectation = norm.expect(person, setting.intracranial.value)
    ratio = norm.offset.ratio if norm.offset else 1.0
    shift = norm.site.mean_z if norm.site else 0.0
    return {name: ratio * expectation.at(z + shift) for name, z in CENTILES_Z.items()}


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
