# SPDX-License-Identifier: Apache-2.0
"""A result is shown whole, in words, and never with a number that is not there."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from memoryguard.cli.show import DISCLAIMER, show
from memoryguard.cli.words import words

DOCUMENT: dict[str, Any] = {
    "quality": {"verdict": "warned", "reasons": [{"code": "low_contrast", "message": "Too grey."}]},
    "engine": {"name": "headframe", "version": "9.9", "weights_sha256": "ab"},
    "person": {"age_years": 72.5, "sex": "F"},
    "volumes_mm3": {"hippocampus_total": 6010.0, "total_brain": 1_050_000.0, "white_matter": None},
    "thickness_mm": {"cortex_mean": 2.41},
    "atrophy": {
        "regions": {
            "hippocampus_total": {
                "z": -3.52, "centile": 0.02, "severity": "severe", "expected_mm3": 8000.0
            }
        },
        "overall": "severe",
        "summaries": {"hippocampal": {"sentence": "The hippocampi together: severely low."}},
    },
    "risk": {
        "probabilities": {"CN": 0.2, "MCI": 0.5, "Dementia": 0.3},
        "explained": "dementia_similarity",
        "base": 0.33,
        "output": 0.30,
        "intervals95": {"CN": [0.1, 0.3], "MCI": [0.4, 0.6], "Dementia": [0.17, 0.43]},
        "baseline": "mean over 99 drawn people",
        "contributions": [
            {"feature": "moca", "value": 22.0, "contribution": -0.1, "sentence": "So it is."},
            {"feature": "hippocampus_z", "value": -1.5, "contribution": 0.07},
        ],
        "missing": {"education_years": "not_reported"},
    },
    "errors_sd": {"volumes_mm3": {"hippocampus_total": 120.0}, "thickness_mm": {}},
    "reasons": {
        "volumes_mm3": {"white_matter": "engine_cannot"},
        "thickness_mm": {},
        "atrophy": {"total_brain": "norm_not_transferable"},
        "risk": [],
    },
    "seconds": {"read": 0.8, "total": 4.1},
}  # fmt: skip
CHANGE = {
    "hippocampus_total": {
        "scans": 2,
        "interval_years": 1.5,
        "percent_per_year": -3.7,
        "ci95_percent_per_year": [-5.9, -1.4],
        "within_measurement_noise": True,
        "published_percent_per_year": {"healthy, ADNI": -1.0, "healthy, B": -9.0, "AD, ADNI": -4.0},
    },
    "third_ventricle": {"scans": 1, "interval_years": 0.0, "percent_per_year": None},
}


def shown(document: dict[str, Any], width: int = 110) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(show(document, "Follow-up"))
    return stream.getvalue()


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


@pytest.mark.parametrize(
    "expected",
    [
        "Follow-up", "warned", "low_contrast", "Too grey.", "woman · 72.5 years", "headframe 9.9",
        "6,010 ± 120", "-3.52", "< 1", "severe", "1,050,000 ± ?", "2.41 ± ? mm",
        "no z, norm not transferable: total brain", "engine cannot: white matter",
        "Dementia  30 %", "+7.0 points", "-10.0 points", "education, years: not reported",
        "together 4.1 s", "The hippocampi together: severely low.",
    ],
)  # fmt: skip
def test_everything_is_said(document: dict[str, Any], expected: str) -> None:
    assert expected in shown(document)


def test_the_limits_are_stated(document: dict[str, Any]) -> None:
    assert " ".join(shown(document).split()).endswith(DISCLAIMER)


def test_change_stands_beside_the_known_truth(document: dict[str, Any]) -> None:
    document["atrophy"]["change"] = CHANGE
    document["truth"] = {"hippocampus_total_percent": -6.0, "years": 1.5, "how": "…"}
    line = next(line for line in shown(document).splitlines() if "-3.7" in line)
    assert "-4.0" in line  # 0.94 ** (1 / 1.5) = 0.9596
    assert "-5.9 … -1.4" in line
    assert "published, hippocampus total: healthy -1.0, Alzheimer's -4.0" in shown(document)
    assert "within noise" in line
    assert "third ventricle" not in shown(document)
    assert "known truth" not in shown(document | {"truth": None})


def test_a_scan_that_failed_before_it_was_measured_says_why(document: dict[str, Any]) -> None:
    document |= {
        "quality": None, "engine": None, "person": None, "status": "failed",
        "error": {"code": "engine_absent", "message": "No engine.", "hint": ""},
    }  # fmt: skip
    text = shown(document)
    assert "failed" in text
    assert "engine_absent" in text
    assert "mm³" not in text


def test_a_refused_scan_shows_reasons_and_no_table(document: dict[str, Any]) -> None:
    document["quality"]["verdict"] = "refused"
    text = shown(document)
    assert "low_contrast" in text
    assert "mm³" not in text
    assert "points" not in text


def test_a_withheld_risk_says_what_is_missing(document: dict[str, Any]) -> None:
    document["risk"] = None
    document["reasons"]["risk"] = [{"code": "x", "message": "an input is missing: age_years"}]
    assert "withheld" in shown(document)
    assert "an input is missing: age years" in shown(document)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_number_is_cut_off(document: dict[str, Any], width: int) -> None:
    document["atrophy"]["change"] = CHANGE
    text = shown(document, width)
    for number in ("6,010 ± 120", "-3.52", "severe", "-5.9 … -1.4"):
        assert number in text


def test_codes_become_words() -> None:
    assert words("third_ventricle") == "third ventricle"
    assert words("moca") == "MoCA"
    assert words(None) == ""
