# SPDX-License-Identifier: Apache-2.0
"""The shipped packs are what the committed program makes of the sourced facts."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from memoryguard.atrophy.domain.norms import Covariates, Scanner, expect
from memoryguard.atrophy.domain.pack import Composite
from memoryguard.atrophy.packs import NAMES, load_pack, parse_pack

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
PACKS = ROOT / "services/atrophy/src/memoryguard/atrophy/packs"


def make_packs() -> ModuleType:
    """The committed program, which is a script and not a package."""
    path = ROOT / "training/risk/norms/make_packs.py"
    spec = importlib.util.spec_from_file_location("make_packs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules["make_packs"] = module
    spec.loader.exec_module(module)
    return module


def test_packs_are_reproducible() -> None:
    facts, tables = SHARED / "facts/norms.json", SHARED / "data/tables"
    if not (facts.exists() and tables.exists()):
        pytest.skip("the facts and tables the packs are made from are not beside the repository")
    for document in make_packs().documents(facts, tables):
        shipped = json.loads((PACKS / f"{document['name']}.json").read_text(encoding="utf-8"))
        assert shipped == document


def facts_of(name: str) -> Any:
    path = SHARED / "facts/norms.json"
    if not path.exists():
        pytest.skip("the sourced facts are not beside the repository")
    return json.loads(path.read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("region", ["hippocampus_left", "third_ventricle", "total_brain"])
def test_nomis_predicts_what_its_own_formula_does(region: str) -> None:
    """Its inputs by their own names, with a voxel of 1 mm³ and the rest at its centre."""
    model = facts_of("models")["nomis_fs6"]
    (source,) = (
        r for r in model["regions"] if r["structure"] in (region, f"{region} (BrainSegVolNotVent)")
    )
    age, icv, male = 78.0, 1_350_000.0, 1.0
    a, v = age - model["centers"]["age"], icv - model["centers"]["etiv_mm3"]
    inputs = {
        "age": a, "age2": a**2, "age3": a**3, "etiv": v, "etiv2": v**2, "etiv3": v**3,
        "voxel": 1.0, "age_x_etiv": a * v, "age_x_sex_m": a * male, "etiv_x_sex_m": v * male,
        "etiv_x_mfs_15": v, "mfs_15_x_manufacturer_ge": 1.0, "sex_m": male, "mfs_15": 1.0,
        "manufacturer_ge": 1.0,
    }  # fmt: skip
    by_hand = source["intercept"] + sum(
        coefficient * inputs.get(name, 0.0) for name, coefficient in source["coefficients"].items()
    )
    person, scanner = Covariates(age, male=True, icv_mm3=icv), Scanner(True, True, False)
    found = expect((load_pack("nomis_fs6"),), region, person, [scanner])
    assert found.response == pytest.approx(by_hand, rel=1e-12)
    assert found.resid_sd == source["resid_sd"]


@pytest.mark.parametrize(
    ("key", "region"),
    [
        ("Cortex_LT", "cortex_left"),
        ("Cortex_RT", "cortex_right"),
        ("Cortex_LV", "cortical_grey_left"),
    ],
)
def test_potvins_cortex_is_as_the_facts_tabulate_it(key: str, region: str) -> None:
    for row in facts_of("models")["potvin_2016_2017"]["predicted_means_examples"]:
        person = Covariates(row["age"], row["sex"] == "male", row["icv_mm3"])
        found = expect(
            (load_pack("potvin_2016_2017"),), region, person, [Scanner(False, False, False)]
        )
        assert found.expected == pytest.approx(row[key], abs=0.06 if row[key] > 100 else 6e-5)


def test_healthy_people_elsewhere_lie_near_the_middle_of_the_norm_in_use() -> None:
    """Pooled |mean z| of the norm behind hippocampi and ventricles, on people it never saw."""
    pack = load_pack("potvin_2016_2017")
    for region in ("hippocampus_total", "lateral_ventricles"):
        rows = pack.evidence[region]
        pooled = sum(row.n * row.mean_z for row in rows) / sum(row.n for row in rows)
        assert abs(pooled) <= 0.35


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_total_is_in_the_pack(name: str) -> None:
    pack = load_pack(name)
    for region in pack.regions.values():
        if isinstance(region, Composite):
            assert set(region.parts) <= set(pack.regions)
    assert set(pack.evidence) <= set(pack.regions)


def test_a_term_reads_as_it_is_written() -> None:
    document = json.loads((PACKS / "potvin_2016_2017.json").read_text(encoding="utf-8"))
    terms = parse_pack(document).regions["hippocampus_left"].terms  # type: ignore[union-attr]
    assert (terms[0].powers, terms[2].powers) == ((), (("A", 2),))
    assert {("A", 1), ("M", 1)} == set(terms[5].powers)
