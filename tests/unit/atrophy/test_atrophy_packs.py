# SPDX-License-Identifier: Apache-2.0
"""The shipped packs are what the committed program makes of the sourced facts."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

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
