# SPDX-License-Identifier: Apache-2.0
"""What must hold for every person and every brain, not only for the examples."""

from __future__ import annotations

from dataclasses import replace

import pytest
from atrophy_people import BASELINE, VOLUMES, WOMAN_72
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.atrophy.domain.choice import choices
from memoryguard.atrophy.domain.measure import Engine, Person, Quantity
from memoryguard.atrophy.domain.plausible import RANGES
from memoryguard.atrophy.domain.result import Score
from memoryguard.atrophy.domain.score import score
from memoryguard.atrophy.domain.severity import CLASSES
from memoryguard.atrophy.packs import load_packs

PACKS = load_packs()
ENGINES = (
    BASELINE,
    Engine("headframe", "0"),
    Engine("freesurfer", "5.3.0"),
    Engine("freesurfer", "v7.4.1"),
    Engine("freesurfer", ""),
    Engine("synthseg", "2.0"),
)
THICKNESS = {f"cortex_{name}": Quantity(2.4) for name in ("left", "right", "mean")}

engines = st.sampled_from(ENGINES)
people = st.builds(
    Person,
    st.floats(50.0, 86.0),
    st.sampled_from(["F", "M"]),
    st.sampled_from([None, 1.5, 3.0]),
    st.sampled_from([None, "SIEMENS", "GE MEDICAL SYSTEMS", "Philips", "Canon"]),
)


def scored(person: Person, engine: Engine, **volumes: Quantity) -> Score:
    return score(VOLUMES | volumes, person, PACKS, engine, thickness=THICKNESS)


@given(people, engines, st.floats(1_000.0, 9_000.0), st.floats(0.5, 1.0), st.floats(20.0, 300.0))
def test_a_smaller_hippocampus_never_lowers_severity(
    person: Person, engine: Engine, mm3: float, share: float, error_sd: float
) -> None:
    large, small = (
        scored(person, engine, hippocampus_total=Quantity(max(800.0, value), error_sd)).regions[
            "hippocampus_total"
        ]
        for value in (mm3, mm3 * share)
    )
    assert small.z is not None
    assert large.z is not None
    assert small.z <= large.z
    assert small.centile <= large.centile  # type: ignore[operator]
    if "uncertain" not in (small.severity, large.severity):
        assert CLASSES.index(small.severity) >= CLASSES.index(large.severity)  # type: ignore[arg-type]


@given(people, engines, st.floats(2_000.0, 5_000.0), st.floats(2_000.0, 5_000.0))
def test_swapping_the_sides_swaps_what_is_said_of_them(
    person: Person, engine: Engine, one: float, other: float
) -> None:
    left, right = Quantity(one, 60.0), Quantity(other, 60.0)
    there = scored(person, engine, hippocampus_left=left, hippocampus_right=right)
    back = scored(person, engine, hippocampus_left=right, hippocampus_right=left)
    asymmetry = (s.asymmetry_percent["hippocampus"].value for s in (there, back))
    assert next(asymmetry) == pytest.approx(-next(asymmetry))  # type: ignore[operator]
    for side, swapped in (("left", "right"), ("right", "left")):
        names = f"hippocampus_{side}", f"hippocampus_{swapped}"
        assert there.regions[names[0]].measured == back.regions[names[1]].measured
        # The norms know left from right: the same volume is compared with its own side's norm.
        twice = scored(person, engine, **dict.fromkeys(names, there.regions[names[0]].measured))
        assert there.regions[names[0]].z == twice.regions[names[0]].z
        assert back.regions[names[1]].z == twice.regions[names[1]].z


@given(people, engines, st.sampled_from([1e-3, 1e-6, 1e3]))
def test_units_cannot_be_mixed(person: Person, engine: Engine, factor: float) -> None:
    """Volumes in mL, litres or anything but mm³ are refused, one by one and as head size."""
    for name in choices(engine, PACKS):
        if name not in VOLUMES:
            continue
        value = VOLUMES[name].value
        assert value is not None
        found = scored(person, engine, **{name: Quantity(value * factor, 1.0)}).regions[name]
        assert (found.z, found.reason) == (None, "volume_not_plausible")
    head = scored(person, engine, intracranial=Quantity(1_420_000.0 * factor, 1.0))
    scores = [head.regions[n] for n in VOLUMES if n in head.regions and head.regions[n].pack]
    assert {each.reason for each in scores} == {"intracranial_not_plausible"}


def test_no_ratio_mixes_units() -> None:
    found = scored(WOMAN_72, BASELINE, hippocampus_left=Quantity(3.7), total_brain=Quantity(1050.0))
    assert found.asymmetry_percent["hippocampus"].reason == "volume_not_plausible"
    assert found.ratios["ventricles_to_brain"].reason == "volume_not_plausible"


def test_a_thickness_is_no_volume() -> None:
    """Names keep mm and mm³ apart, and a volume given as a thickness is refused."""
    free = Engine("freesurfer", "6")
    found = score(VOLUMES | THICKNESS, WOMAN_72, PACKS, free, thickness=VOLUMES)
    assert found.regions["cortex_mean"].reason == "no_norm_for_region"
    assert found.thickness["hippocampus_total"].reason == "no_norm_for_region"
    thick = {"cortex_mean": Quantity(7550.0)}
    found = score(VOLUMES, WOMAN_72, PACKS, free, thickness=thick)
    assert found.thickness["cortex_mean"].reason == "volume_not_plausible"


@pytest.mark.parametrize("region", sorted(RANGES))
def test_no_plausible_value_is_one_in_another_unit(region: str) -> None:
    low, high = RANGES[region]
    assert high / 1000.0 < low


@given(
    engines,
    st.one_of(st.none(), st.floats(0.0, 17.9), st.floats(94.1, 120.0)),
    st.sampled_from([None, "F", "M"]),
    st.sampled_from(["accepted", "refused"]),
)
def test_nothing_is_extrapolated(
    engine: Engine, age_years: float | None, sex: str | None, quality: str
) -> None:
    person = replace(WOMAN_72, age_years=age_years, sex=sex)
    found = score(VOLUMES, person, PACKS, engine, quality, THICKNESS)  # type: ignore[arg-type]
    for each in (*found.regions.values(), *found.thickness.values()):
        assert (each.z, each.severity, each.sd_parts) == (None, None, None)
        assert each.reason
    assert all(summary.severity is None for summary in found.summaries.values())


@given(people, engines)
def test_every_z_has_its_error_and_every_part_of_it(person: Person, engine: Engine) -> None:
    bare = {name: Quantity(quantity.value) for name, quantity in VOLUMES.items()}
    found = score(bare, person, PACKS, engine, thickness=THICKNESS)
    scores = [s for s in (*found.regions.values(), *found.thickness.values()) if s.z is not None]
    assert scores
    for each in scores:
        assert each.z_sd is not None
        assert each.sd_parts is not None
        assert each.sd_parts.retest is not None
        assert each.sd_parts.retest > 0.0
        assert each.sd_parts.site > 0.0 or each.sd_parts.scanner > 0.0
        assert (each.calibration is None) == (engine.name != "headframe")
