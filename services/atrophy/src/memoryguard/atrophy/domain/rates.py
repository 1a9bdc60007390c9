# SPDX-License-Identifier: Apache-2.0
"""Published yearly rates of change, and retest errors, with their sources.

Rates are percent of the region's volume per year.
"""

from __future__ import annotations

from dataclasses import dataclass

from memoryguard.atrophy.domain.measure import Engine

SIMULATED = "simulated rescans of four real heads by this engine"
_BARNES = "Barnes 2009, meta-analysis, 595 AD and 212 controls (PMC2773132)"
_ADNI = "ADNI, generalized additive models (PMC3032014, table 3)"
_FOTENOS = "Fotenos 2005 (PubMed 15781822)"
_FRASER = "Fraser 2015, meta-analysis of healthy ageing, n=3422"


@dataclass(frozen=True, slots=True)
class PublishedRate:
    """Yearly change of a group: mean, SD over people and CI of the mean where published."""

    group: str
    mean_percent_per_year: float
    sd_percent_per_year: float | None
    ci95_percent_per_year: tuple[float, float] | None
    source: str


PUBLISHED_RATES: dict[str, tuple[PublishedRate, ...]] = {
    "hippocampus_total": (
        PublishedRate("healthy", -1.0, 1.9, None, _ADNI),
        PublishedRate("stable MCI", -2.0, 2.1, None, _ADNI),
        PublishedRate("converting MCI", -3.5, 2.2, None, _ADNI),
        PublishedRate("AD", -4.0, 2.3, None, _ADNI),
        PublishedRate("healthy", -1.41, None, (-2.30, -0.52), _BARNES),
        PublishedRate("AD", -4.66, None, (-5.40, -3.92), _BARNES),
        PublishedRate("healthy", -0.85, None, None, _FRASER),
    ),
    "lateral_ventricles": (
        PublishedRate("healthy", 4.2, 3.6, None, _ADNI),
        PublishedRate("stable MCI", 5.2, 4.3, None, _ADNI),
        PublishedRate("converting MCI", 8.2, 4.7, None, _ADNI),
        PublishedRate("AD", 9.9, 5.3, None, _ADNI),
    ),
    "total_brain": (
        PublishedRate("healthy", -0.45, None, None, _FOTENOS),
        PublishedRate("very mild AD", -0.98, None, None, _FOTENOS),
    ),
}


@dataclass(frozen=True, slots=True)
class RetestError:
    """Within-subject coefficient of variation when the same brain is scanned twice."""

    within_subject_cv_percent: float
    source: str


RETEST_ERRORS: dict[str, RetestError] = {
    "hippocampus_total": RetestError(
        1.8,
        "Marizzoni 2015, 65 elderly, 13 sites at 3 T, FreeSurfer 5.1 longitudinal: mean absolute "
        "difference 2.0 %, hence SD of the difference 2.5 % and of one scan 1.8 %",
    ),
    "total_brain": RetestError(
        0.45, "computed from the OASIS-1 reliability set: 20 adults rescanned within 90 days, nWBV"
    ),
    "intracranial": RetestError(
        0.501, "computed from the OASIS-1 reliability set: 20 adults rescanned within 90 days, eTIV"
    ),
}

# Coefficients of variation (percent) of our own engine over simulated rescans of four real heads,
# eight each: turned by up to 15 degrees, moved, resampled, with other noise and another bias field
# (benchmarks/readings.py and truth.py, kind "rescan"; root mean square over the heads).
SIMULATED_RETEST_PERCENT: dict[str, dict[str, float]] = {
    "headframe": {
        "hippocampus_left": 1.69,
        "hippocampus_right": 1.21,
        "hippocampus_total": 0.87,
        "amygdala_left": 1.95,
        "amygdala_right": 1.34,
        "thalamus_left": 1.94,
        "thalamus_right": 1.66,
        "caudate_left": 0.84,
        "caudate_right": 0.63,
        "putamen_left": 2.17,
        "putamen_right": 1.87,
        "pallidum_left": 3.61,
        "pallidum_right": 3.44,
        "accumbens_left": 3.25,
        "accumbens_right": 2.54,
        "lateral_ventricle_left": 1.25,
        "lateral_ventricle_right": 1.4,
        "lateral_ventricles": 0.89,
        "inferior_lateral_ventricle_left": 3.76,
        "inferior_lateral_ventricle_right": 2.97,
        "third_ventricle": 4.12,
        "fourth_ventricle": 2.69,
        "cortical_grey_left": 0.56,
        "cortical_grey_right": 0.6,
        "cortical_grey_matter": 0.47,
        "cerebral_white_left": 1.11,
        "cerebral_white_right": 0.89,
        "cerebral_white_matter": 0.83,
        "cerebellum": 0.95,
        "brain_stem": 2.02,
        "grey_matter": 0.44,
        "white_matter": 0.93,
        "total_brain": 0.46,
        "extraventricular_csf": 1.25,
        "intracranial": 0.42,
    }
}
# People move, and scanners drift. Real rescans, as published, spread 2.1 times as wide as these in
# the hippocampi (1.8 % beside .87), about as wide in the whole brain and the head. The least
# favourable of the three stands for structures that nobody published a figure of.
REAL_OVER_SIMULATED = 2.1


def retest_error(region: str, engine: Engine) -> RetestError | None:
    """Retest error of a region, as far as it is known for the engine.

    The published one, of real people; our own engine's simulated one where that is larger, or
    where none was published, then taken `REAL_OVER_SIMULATED` times. None where nothing is known.
    """
    published = RETEST_ERRORS.get(region)
    simulated = SIMULATED_RETEST_PERCENT.get(engine.name, {}).get(region)
    if simulated is None:
        return published
    if published is None:
        return RetestError(
            REAL_OVER_SIMULATED * simulated, f"{SIMULATED}, taken 2.1 times as large"
        )
    if published.within_subject_cv_percent >= simulated:
        return published
    return RetestError(simulated, SIMULATED)
