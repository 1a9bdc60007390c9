# SPDX-License-Identifier: Apache-2.0
"""The norms reproduce their authors' own figures and behave as regressions must."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from memoryguard.atrophy.domain.norms import (
    Covariates,
    Scanner,
    centile,
    expect,
    fit_sd_z,
    possible_scanners,
    z_score,
    z_slope,
)
from memoryguard.atrophy.packs import NAMES, load_pack, load_packs

POTVIN = load_pack("potvin_2016_2017")
NOMIS = load_pack("nomis_fs6")
IXI = load_pack("ixi_synthseg_fit")
GOLDEN = json.loads((Path(__file__).parent / "golden_potvin.json").read_text())["checks"]
SIEMENS_3T = [Scanner(field_1_5t=False, ge=False, philips=False)]


@pytest.mark.parametrize(
    "check", GOLDEN, ids=[f"{check['structure']}-{check['age']}" for check in GOLDEN]
)
def test_z_is_that_of_the_authors_calculator(check: dict[str, float | str]) -> None:
    """The authors print z with six decimals, so 1e-6 is all that can be asked for."""
    region = str(check["structure"])
    person = Covariates(float(check["age"]), check["male"] == 1, float(check["icv_mm3"]))
    scanner = Scanner(check["field_1_5T"] == 1, check["ge"] == 1, check["philips"] == 1)
    found = z_score(float(check["value"]), expect((POTVIN,), region, person, [scanner]))
    assert found == pytest.approx(check["authors_z"], abs=1e-6)


def test_total_hippocampus_adds_the_sides() -> None:
    person = Covariates(70.0, False, 1_420_000.0)
    sides = [
        expect((POTVIN,), side, person, SIEMENS_3T).expected
        for side in ("hippocampus_left", "hippocampus_right")
    ]
    total = expect((POTVIN,), "hippocampus_total", person, SIEMENS_3T)
    assert total.expected == pytest.approx(sum(sides))
    assert sides == pytest.approx([3736.7, 3897.8], abs=0.05)
    assert total.resid_sd == pytest.approx(722.2, abs=0.05)


def test_total_ventricles_compare_the_logarithm_of_the_sum() -> None:
    person = Covariates(70.0, False, 1_420_000.0)
    total = expect((POTVIN,), "lateral_ventricles", person, SIEMENS_3T)
    assert total.expected == pytest.approx(11106.4 + 10225.1, abs=0.1)
    z = z_score(2.0 * total.expected, total)
    assert z == pytest.approx(math.log10(2.0) / 0.183)


@pytest.mark.parametrize("icv_mm3", [1_300_000.0, 1_450_000.0, 1_700_000.0])
def test_ixi_fit_is_the_stated_formula(icv_mm3: float) -> None:
    person = Covariates(75.0, True, icv_mm3)
    found = expect((IXI,), "hippocampus_total", person, SIEMENS_3T).expected
    head = (icv_mm3 - 1.45e6) / 1e5
    by_hand = 7802.7 - 27.705 * 10 - 13.072 * 100 / 100 - 65.018 + 337.82 * head
    assert found == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("region", ["hippocampus_total", "lateral_ventricles", "third_ventricle"])
def test_slope_is_the_derivative_of_z(region: str) -> None:
    person = Covariates(70.0, False, 1_420_000.0)
    expectation = expect((POTVIN,), region, person, SIEMENS_3T)
    volume = expectation.expected * 1.1
    up, down = (z_score(volume + d, expectation) for d in (0.5, -0.5))
    assert z_slope(volume, expectation) == pytest.approx(up - down, rel=1e-5)


def test_unknown_scanner_widens_and_averages() -> None:
    person = Covariates(70.0, False, 1_420_000.0)
    every = possible_scanners(None, None)
    assert len(every) == 6
    unknown = expect((POTVIN,), "hippocampus_left", person, every)
    single = [expect((POTVIN,), "hippocampus_left", person, [scanner]) for scanner in every]
    assert min(s.response for s in single) < unknown.response < max(s.response for s in single)
    assert unknown.scanner_sd > 0.3
    assert all(s.scanner_sd == 0.0 for s in single)


@pytest.mark.parametrize(
    ("maker", "expected"),
    [
        ("SIEMENS", (False, False)),
        ("Siemens Healthineers", (False, False)),
        ("GE MEDICAL SYSTEMS", (True, False)),
        ("Philips Medical Systems", (False, True)),
    ],
)
def test_makers_are_read_from_the_header(maker: str, expected: tuple[bool, bool]) -> None:
    (scanner,) = possible_scanners(2.8936, maker)
    assert (scanner.ge, scanner.philips) == expected
    assert not scanner.field_1_5t


def test_a_maker_outside_the_norms_is_unknown() -> None:
    assert len(possible_scanners(1.5, "Canon Medical Systems")) == 3


@pytest.mark.parametrize(("z", "expected"), [(0.0, 50.0), (-1.6448536, 5.0), (2.3263479, 99.0)])
def test_centile(z: float, expected: float) -> None:
    assert centile(z) == pytest.approx(expected, abs=1e-5)


def test_packs_say_where_they_come_from() -> None:
    for name, pack in load_packs().items():
        assert name in NAMES
        assert pack.name == name
        assert pack.citation
        assert pack.licence
        assert pack.software
        assert pack.regions


def test_spread_of_other_programs_comes_from_the_evidence() -> None:
    rows = POTVIN.evidence["third_ventricle"]
    assert {row.software for row in rows} == {"FreeSurfer", "SynthSeg"}
    squares = [row.mean_z**2 + max(0.0, row.sd_z**2 - 1) for row in rows]
    assert POTVIN.other_program_sd_z("third_ventricle") == pytest.approx(
        math.sqrt(sum(squares) / len(squares))
    )
    assert POTVIN.other_program_sd_z("total_brain") is None


def test_sides_and_total_share_the_spread_of_other_programs() -> None:
    names = ("hippocampus_left", "hippocampus_right", "hippocampus_total")
    found = {NOMIS.other_program_sd_z(name) for name in names}
    assert len(found) == 1


def test_fit_error_shrinks_with_the_sample() -> None:
    assert fit_sd_z(POTVIN, "hippocampus_left") == pytest.approx(math.sqrt(14 / 2790))
    assert fit_sd_z(POTVIN, "hippocampus_total") == fit_sd_z(POTVIN, "hippocampus_left")
    assert fit_sd_z(IXI, "total_brain") == pytest.approx(math.sqrt(5 / 346))
