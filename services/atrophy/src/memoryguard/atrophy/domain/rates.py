# SPDX-License-Identifier: Apache-2.0
"""Published yearly rates of change and retest errors, with their sources.

Rates are percent of the region's volume per year. Nothing here was measured with our engines.
"""

from __future__ import annotations

from dataclasses import dataclass

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
