# SPDX-License-Identifier: Apache-2.0
"""Sites as random effects, and an engine's offset from few heads: closed forms and recovery."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from sites import pool

from memoryguard.atrophy.domain.calibrate import ln_ratios, posterior


def test_sites_that_agree_have_no_spread() -> None:
    found = pool({str(site): [-1.0, 0.0, 1.0] * 10 for site in range(6)})
    assert (found.tau, found.mean) == (0.0, pytest.approx(0.0))
    assert found.tau_ci95[0] == 0.0


def test_equal_sites_in_closed_form() -> None:
    """With equal variances REML is the variance of the means less that within."""
    offsets = [-0.6, -0.2, 0.1, 0.3, 0.9]
    within = [-1.0, 0.0, 1.0] * 8
    found = pool({str(o): [o + each for each in within] for o in offsets})
    inside = statistics.variance(within) / len(within)
    assert found.tau == pytest.approx(math.sqrt(statistics.variance(offsets) - inside), rel=1e-6)
    assert found.mean == pytest.approx(statistics.fmean(offsets))
    assert found.tau_ci95[0] < found.tau < found.tau_ci95[1]
    assert (found.sites, found.people) == (5, 120)


def test_a_known_spread_is_found_again() -> None:
    chance = random.Random(1)
    sites = {
        str(site): [chance.gauss(offset, 1.0) for _ in range(chance.randint(3, 60))]
        for site in range(300)
        if (offset := chance.gauss(0.2, 0.5)) is not None
    }
    found = pool(sites)
    assert found.tau == pytest.approx(0.5, abs=0.06)
    assert found.mean == pytest.approx(0.2, abs=0.08)
    assert found.tau_ci95[0] < 0.5 < found.tau_ci95[1]


def test_one_site_has_no_spread_to_tell() -> None:
    with pytest.raises(ValueError, match="two sites"):
        pool({"only": [0.0, 1.0]})


def test_many_heads_outweigh_the_prior_and_none_would_be_the_prior() -> None:
    many = posterior(math.log(1.1), 0.02, 10_000, 0.05, "")
    assert many.ratio == pytest.approx(1.1, rel=1e-4)
    assert many.ln_sd == pytest.approx(0.02 / 100.0, rel=1e-2)
    blurred = posterior(math.log(1.1), 50.0, 3, 0.05, "")
    assert blurred.ratio == pytest.approx(1.0, abs=1e-5)
    assert blurred.ln_sd == pytest.approx(0.05, rel=1e-3)


def test_three_heads_are_weighed_by_students_interval() -> None:
    """By hand: t(.975; 2) = 4.3027, so the standard error is .02/√3 · 4.3027/1.95996."""
    found = posterior(0.04, 0.02, 3, 0.03, "three")
    se = 0.02 / math.sqrt(3.0) * 4.302653 / 1.959964
    share = 0.03**2 / (0.03**2 + se**2)
    assert math.log(found.ratio) == pytest.approx(0.04 * share, rel=1e-5)
    assert found.ln_sd == pytest.approx(0.03 * math.sqrt(1.0 - share), rel=1e-5)
    assert (found.n, found.data) == (3, "three")


def test_ratios_are_compared_as_logarithms() -> None:
    mean, sd = ln_ratios([2.0, 1.0], [1.0, 2.0])
    assert mean == pytest.approx(0.0)
    assert sd == pytest.approx(math.log(2.0) * math.sqrt(2.0))
