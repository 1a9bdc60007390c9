# SPDX-License-Identifier: Apache-2.0
"""Which norm is taken for which program, and what not knowing its version costs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from atrophy_people import BASELINE, VOLUMES, WOMAN_72, scored

from memoryguard.atrophy.domain.choice import choices, freesurfer_generation
from memoryguard.atrophy.domain.measure import Engine, Quantity
from memoryguard.atrophy.domain.score import score
from memoryguard.atrophy.packs import load_packs

PACKS = load_packs()
THICKNESS = {"cortex_mean": Quantity(2.30), "cortex_left": Quantity(2.31)}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("5.3.0", "five"), ("5.3.0-HCP", "five"), ("v6.0.0", "later"), ("6", "later"),
        ("7.4.1", "later"), ("freesurfer-linux-stable-v6.0.0-2beb96c", "later"),
        ("", "unknown"), ("dev", "unknown"), ("2023", "later"),
    ],
)  # fmt: skip
def test_generations(version: str, expected: str) -> None:
    assert freesurfer_generation(version) == expected


@pytest.mark.parametrize(
    ("engine", "hippocampus", "brain", "cortex"),
    [
        (Engine("freesurfer", "5.3"), ("potvin_2016_2017",), ("nomis_fs6",), "potvin_2016_2017"),
        (Engine("freesurfer", "7.2"), ("nomis_fs6",), ("nomis_fs6",), "potvin_2016_2017"),
        (Engine("freesurfer", ""), ("potvin_2016_2017", "nomis_fs6"), ("nomis_fs6",),
         "potvin_2016_2017"),
        (Engine("synthseg", "2"), ("ixi_synthseg_fit",), ("ixi_synthseg_fit",),
         "ixi_synthseg_fit"),
    ],
)  # fmt: skip
def test_the_pack_follows_engine_and_version(
    engine: Engine, hippocampus: tuple[str, ...], brain: tuple[str, ...], cortex: str
) -> None:
    found = choices(engine, PACKS)
    assert found["hippocampus_total"].packs == hippocampus
    assert found["total_brain"].packs == brain
    assert found["cortical_grey_matter"].packs == (cortex,)
    assert all(choice.own_software for choice in found.values())


def test_every_choice_is_in_its_packs() -> None:
    engines = [Engine("freesurfer", v) for v in ("", "5", "6")]
    for engine in (BASELINE, Engine("synthseg", ""), *engines):
        for region, choice in choices(engine, PACKS).items():
            assert all(region in PACKS[name].regions for name in choice.packs)


def test_an_unknown_version_is_the_mean_and_counts_the_disagreement() -> None:
    potvin, nomis, both = (
        scored(engine=Engine("freesurfer", version)).regions["hippocampus_left"]
        for version in ("5.3", "6.0", "")
    )
    assert both.expected == pytest.approx((potvin.expected + nomis.expected) / 2.0)
    rms = math.sqrt((potvin.residual_sd**2 + nomis.residual_sd**2) / 2.0)
    assert both.residual_sd == pytest.approx(rms)
    assert both.sd_parts is not None
    apart = abs(potvin.expected - nomis.expected) / 2.0
    assert both.sd_parts.version == pytest.approx(apart / rms)
    assert (potvin.sd_parts.version, nomis.sd_parts.version) == (0.0, 0.0)


def test_the_mean_of_logarithms_is_taken_as_logarithms() -> None:
    potvin, nomis, both = (
        scored(engine=Engine("freesurfer", version)).regions["lateral_ventricles"]
        for version in ("5.3", "6.0", "")
    )
    assert both.expected == pytest.approx(math.sqrt(potvin.expected * nomis.expected))


def test_a_new_site_is_wider_for_the_fit_on_one_study() -> None:
    found = scored(engine=Engine("synthseg", "2")).regions["hippocampus_total"]
    pack = PACKS["ixi_synthseg_fit"]
    assert found.residual_sd == pytest.approx(1.3 * pack.regions["hippocampus_total"].resid_sd)
    # Nobody measured sites with that program: what its own factor leaves is taken, not none.
    assert found.sd_parts.site == pytest.approx(math.sqrt(1.3**2 - 1.0) / 1.3)


def test_sites_were_measured_for_every_region_of_freesurfers_packs() -> None:
    for name in ("potvin_2016_2017", "nomis_fs6"):
        pack = PACKS[name]
        assert set(pack.sites) == set(pack.regions)
        for spread in pack.sites.values():
            assert spread.ci95[0] <= spread.sd_z <= spread.ci95[1]
            assert spread.n_sites >= 23
    bare = replace(PACKS["nomis_fs6"], sites={})
    assert bare.site_sd_z("hippocampus_left") > 0.5


def test_a_scanner_that_is_not_known_is_not_counted_twice() -> None:
    free = Engine("freesurfer", "5.3")
    known = scored(engine=free).regions["hippocampus_left"].sd_parts
    person = replace(WOMAN_72, manufacturer=None, field_strength_t=None)
    unknown = scored(person, free).regions["hippocampus_left"].sd_parts
    measured = PACKS["potvin_2016_2017"].site_sd_z("hippocampus_left")
    assert known.site == measured
    assert math.hypot(unknown.site, unknown.scanner) == pytest.approx(
        max(measured, unknown.scanner)
    )


def test_thickness_is_scored_in_mm_with_a_wide_error() -> None:
    found = score(VOLUMES, WOMAN_72, PACKS, Engine("freesurfer", "6"), thickness=THICKNESS)
    mean = found.thickness["cortex_mean"]
    assert mean.scale == "mm"
    assert mean.expected == pytest.approx(2.36, abs=0.1)
    assert mean.sd_parts.site > 0.7
    assert mean.severity == "uncertain"
    assert found.summaries["cortical"].region == "cortex_mean"
    assert found.thickness["cortex_right"].reason == "not_measured"


def test_our_engines_offset_is_taken_out_and_shown() -> None:
    ours = scored().regions["hippocampus_total"]
    free = scored(engine=Engine("freesurfer", "")).regions["hippocampus_total"]
    assert free.calibration is None
    assert ours.calibration.n == 3
    assert "FreeSurfer" in ours.calibration.data
    assert ours.calibration.sd_z == ours.sd_parts.calibration
    assert 1.0 < ours.calibration.ratio < 1.04
    offset = -math.expm1(-math.log(ours.calibration.ratio)) * 7550.0
    # What is left of the difference is the head size, which has an offset of its own.
    assert free.z - ours.z == pytest.approx(offset / ours.residual_sd, abs=0.25)


def test_a_version_nobody_measured_gets_the_spread_of_other_programs() -> None:
    known, unknown = (
        scored(engine=Engine("headframe", version)).regions["hippocampus_total"]
        for version in (BASELINE.version, "0.0.1")
    )
    assert (unknown.calibration.ratio, unknown.calibration.n) == (1.0, 0)
    assert unknown.calibration.sd_z > known.calibration.sd_z


def test_summaries_say_volume_for_age_and_never_loss() -> None:
    small = scored(hippocampus_total=Quantity(3800.0, 60.0)).summaries["hippocampal"]
    assert small.sentence == "The hippocampi together: severely low volume for age."
    wide = scored(lateral_ventricles=Quantity(200_000.0, 900.0)).summaries
    assert wide["ventricular_enlargement"].sentence == (
        "The lateral ventricles together: severely high volume for age."
    )
    unsure = scored(hippocampus_total=Quantity(6300.0, 60.0)).summaries["hippocampal"]
    assert unsure.severity == "uncertain"
    assert "80 % certainty" in unsure.sentence
    every = [
        s.sentence
        for found in (scored(), scored(quality="refused"))
        for s in found.summaries.values()
    ]
    assert not any(word in " ".join(every) for word in ("atrophy", "loss", "shr"))
