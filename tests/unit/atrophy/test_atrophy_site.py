# SPDX-License-Identifier: Apache-2.0
"""A scanner's own healthy controls take out what is constant there, and no more."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from atrophy_people import BASELINE, VOLUMES, WOMAN_72

from memoryguard.atrophy.domain.measure import Engine, Person
from memoryguard.atrophy.domain.norms import Covariates, expect, possible_scanners
from memoryguard.atrophy.domain.result import Score
from memoryguard.atrophy.domain.score import score
from memoryguard.atrophy.domain.site import Site
from memoryguard.atrophy.packs import load_packs, read_site
from memoryguard.atrophy.packs.controls import calibrated
from memoryguard.atrophy.packs.signature import keys_of, new_key, sign_with
from memoryguard.common.errors import Misconfigured, Rejected

PACKS = load_packs()
SHIFT_Z = 0.8
"""How far every hippocampus of the invented scanner is too large, in SDs of NOMIS."""
SCANNER = ("SIEMENS", 3.0)
FREE = Engine("freesurfer", "7.4.1")
Sign = Callable[[Path], str]


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    """Sign with a key of the deployment's; its public half comes back."""

    def signed(path: Path) -> str:
        public = new_key(tmp_path / "key.pem")
        sign_with(tmp_path / "key.pem", path)
        return public

    return signed


def controls(path: Path, n: int, shift_z: float = SHIFT_Z) -> Path:
    """Write invented healthy people whose z are N(shift, 1)."""
    chance, nomis = random.Random(3), PACKS["nomis_fs6"]
    scanners = possible_scanners(3.0, "SIEMENS")
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["age_years", "sex", "intracranial_mm3", "hippocampus_total_mm3"])
        for _ in range(n):
            age, icv = chance.uniform(50.0, 80.0), chance.uniform(1.3e6, 1.6e6)
            norm = expect((nomis,), "hippocampus_total", Covariates(age, False, icv), scanners)
            value = norm.response + norm.resid_sd * chance.gauss(shift_z, 1.0)
            table.writerow([age, "F", icv, value])
    return path


def made(folder: Path, table: Path, sign: Sign, engine: Engine = FREE) -> Site:
    out = folder / "one.site.json"
    out.write_text(json.dumps(calibrated(table, "one", engine, *SCANNER)))
    return read_site(out, keys_of([sign(out)]))


def scored(site: Site, person: Person = WOMAN_72, engine: Engine = FREE) -> Score:
    return score(VOLUMES, person, PACKS, engine, sites=[site])


def test_the_shift_is_found_and_taken_out(tmp_path: Path, sign: Sign) -> None:
    site = made(tmp_path, controls(tmp_path / "t.csv", 200), sign)
    offset = site.regions["hippocampus_total"]
    assert offset.n == 200
    assert offset.mean_z == pytest.approx(SHIFT_Z, abs=0.2)
    assert offset.sd_z == pytest.approx(1.0 / math.sqrt(200.0), rel=0.15)
    before = score(VOLUMES, WOMAN_72, PACKS, FREE).regions["hippocampus_total"]
    after = scored(site).regions["hippocampus_total"]
    assert after.z == pytest.approx(before.z - offset.mean_z)  # type: ignore[operator]
    assert after.sd_parts.site == offset.sd_z  # type: ignore[union-attr]
    assert after.z_sd < before.z_sd / 2.0  # type: ignore[operator]
    assert after.site == offset


def test_few_controls_are_drawn_towards_nothing(tmp_path: Path, sign: Sign) -> None:
    few = made(tmp_path, controls(tmp_path / "t.csv", 6), sign).regions["hippocampus_total"]
    prior = PACKS["nomis_fs6"].site_sd_z("hippocampus_total")
    assert 0.6 * prior < few.sd_z < prior
    assert abs(few.mean_z) < SHIFT_Z


def test_only_that_scanner_and_engine_are_corrected(tmp_path: Path, sign: Sign) -> None:
    site = made(tmp_path, controls(tmp_path / "t.csv", 50), sign)
    assert scored(site).site == site
    for person, engine in (
        (replace(WOMAN_72, manufacturer="Philips"), FREE),
        (replace(WOMAN_72, manufacturer=None), FREE),
        (replace(WOMAN_72, field_strength_t=1.5), FREE),
        (replace(WOMAN_72, field_strength_t=None), FREE),
        (WOMAN_72, Engine("freesurfer", "6.0")),
        (WOMAN_72, BASELINE),
    ):
        found = scored(site, person, engine)
        assert found.site is None
        assert found.regions["hippocampus_total"].site is None


def test_another_norm_is_not_corrected(tmp_path: Path, sign: Sign) -> None:
    """After new packs the controls have to be measured against them again."""
    site = made(tmp_path, controls(tmp_path / "t.csv", 50), sign)
    newer = PACKS | {"nomis_fs6": replace(PACKS["nomis_fs6"], version="99")}
    found = score(VOLUMES, WOMAN_72, newer, FREE, sites=[site]).regions["hippocampus_total"]
    assert found.site is None
    assert found.z is not None


def test_controls_replace_the_engines_unknown_offset(tmp_path: Path, sign: Sign) -> None:
    """What is withheld because nobody knows our offset can be said where controls tell it."""
    chance = random.Random(4)
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["age_years", "sex", "intracranial_mm3", "total_brain_mm3"])
        for _ in range(60):
            rows.writerow([70.0, "F", 1.42e6, chance.gauss(1.06e6, 4.5e4)])
    site = made(tmp_path, table, sign, BASELINE)
    assert score(VOLUMES, WOMAN_72, PACKS, BASELINE).regions["total_brain"].z is None
    found = scored(site, engine=BASELINE).regions["total_brain"]
    assert found.z is not None
    assert found.sd_parts.calibration == 0.0  # type: ignore[union-attr]
    assert found.sd_parts.site < 0.2  # type: ignore[union-attr]


def test_a_changed_site_is_refused(tmp_path: Path, sign: Sign) -> None:
    made(tmp_path, controls(tmp_path / "t.csv", 50), sign)
    path = tmp_path / "one.site.json"
    document = json.loads(path.read_bytes())
    document["regions"]["hippocampus_total"]["mean_z"] = -2.0
    path.write_text(json.dumps(document))
    with pytest.raises(Misconfigured, match="norm_pack_not_trusted"):
        read_site(path, {})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("age_years,sex\n70,F\n", "too_few_controls"),
        ("age_years,sex\nold,F\n", "controls_not_a_number"),
    ],
)
def test_a_table_that_says_nothing_is_refused(tmp_path: Path, text: str, code: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text(text)
    with pytest.raises(Rejected, match=code):
        calibrated(table, "one", FREE, *SCANNER)
