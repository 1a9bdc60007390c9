# SPDX-License-Identifier: Apache-2.0
"""Which series is T1-weighted, by its names and by physics; and words for scanners."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryguard.ingest.domain.contrast import RANK, UNSPECIFIED, Contrast, t1_word
from memoryguard.ingest.domain.deidentify import decimal_string
from memoryguard.ingest.domain.equipment import manufacturer, model

NAMES = Path(__file__).parents[2] / "vectors" / "contrast" / "names.json"
"""The web application is tested on them, too."""


@pytest.mark.parametrize(("name", "word"), json.loads(NAMES.read_text(encoding="utf-8")))
def test_names(name: str, word: str | None) -> None:
    assert t1_word(Contrast(names=(name, "", ""))) == word
    assert word is None or word in RANK


def gradient(**changed: object) -> Contrast:
    given_: dict[str, object] = {
        "scanning_sequence": frozenset({"GR", "IR"}),
        "three_d": True,
        "repetition_ms": 2300.0,
        "echo_ms": 3.0,
        "inversion_ms": 900.0,
        "flip_deg": 9.0,
    }
    return Contrast(**{**given_, **changed})  # type: ignore[arg-type]


def test_physics_where_there_is_no_name() -> None:
    assert t1_word(gradient()) == "T1 MPRAGE"
    assert t1_word(gradient(inversion_ms=None, repetition_ms=8.0, flip_deg=20.0)) == "T1 SPGR"
    assert t1_word(gradient(inversion_ms=None, repetition_ms=8.0, flip_deg=3.0)) == UNSPECIFIED
    spin = frozenset({"SE"})
    assert t1_word(Contrast(scanning_sequence=spin, repetition_ms=500, echo_ms=12)) == "T1 SE"
    assert t1_word(Contrast(scanning_sequence=spin, repetition_ms=3000, echo_ms=12)) is None
    assert t1_word(Contrast(stated="T1")) == "T1"


def test_physics_overrules_names() -> None:
    assert t1_word(gradient(names=("T1 MPRAGE",), echo_ms=90.0)) is None
    assert t1_word(gradient(names=("T1 MPRAGE",), stated="T2")) is None
    assert t1_word(gradient(names=("T1 MPRAGE",), image_type=("DERIVED", "ADC"))) is None


def test_scanners_are_words_of_a_list() -> None:
    assert manufacturer("SIEMENS SECRETNAME") == "Siemens"
    assert manufacturer("GE MEDICAL SYSTEMS") == "GE"
    assert manufacturer("SECRETNAME") is None
    assert manufacturer("GEORGE") is None
    assert model("TrioTim") == "TrioTim"
    assert model("DISCOVERY MR750w") == "MR750w"
    assert model("Signa HDxt") == "Signa"
    assert model("SECRETNAME") is None


@given(st.floats(-1e12, 1e12))
def test_decimal_strings_fit_and_are_exact_enough(value: float) -> None:
    text = decimal_string(value)
    assert len(text) <= 16
    assert math.isclose(float(text), value, rel_tol=1e-8, abs_tol=1e-300)


@pytest.mark.parametrize("value", [1.25, 0.9375, -90.123456, 1.0, 0.0, 2.98, 1e-5])
def test_decimal_strings_of_scanners_are_exact(value: float) -> None:
    assert float(decimal_string(value)) == value
