# SPDX-License-Identifier: Apache-2.0
"""Age at the scan, from true dates, before they are shifted."""

from __future__ import annotations

import re
from datetime import date

from memoryguard.ingest.domain import tags
from memoryguard.ingest.domain.elements import Dataset
from memoryguard.ingest.domain.values import day, word

DAYS_PER_YEAR = 365.25
OLDEST_AGE_YEARS = 90.0
"""Ages over 89 are one group (45 CFR 164.514(b)(2)(i)(C))."""
IMPOSSIBLE_AGE_YEARS = 130.0

_AGE = re.compile(r"(\d{3})([YMWD])")
_UNITS_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": DAYS_PER_YEAR / 7, "D": DAYS_PER_YEAR}
_WHEN = (tags.ACQUISITION_DATE, tags.ACQUISITION_DATETIME, tags.SERIES_DATE, tags.STUDY_DATE)


def scanned_on(dataset: Dataset) -> date | None:
    """Give the true date of the scan: of the acquisition, else the series, else the study."""
    return next((found for tag in _WHEN if (found := day(dataset, tag))), None)


def age_years(dataset: Dataset) -> float | None:
    """Give the age at the scan.

    From the dates of birth and scan, to a tenth of a year (a finer one would give the birthday
    away); else what PatientAge says. 90 stands for everything above.

    Returns
    -------
    float or None
        None when the file does not tell, or tells the impossible.
    """
    birth, scan = day(dataset, tags.BIRTH_DATE), scanned_on(dataset)
    if birth is not None and scan is not None:
        found = round((scan - birth).days / DAYS_PER_YEAR, 1)
    else:
        match = _AGE.fullmatch(word(dataset, tags.AGE))
        if match is None:
            return None
        found = round(int(match[1]) / _UNITS_PER_YEAR[match[2]], 1)
    return min(found, OLDEST_AGE_YEARS) if 0.0 <= found <= IMPOSSIBLE_AGE_YEARS else None
