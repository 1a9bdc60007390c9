# SPDX-License-Identifier: Apache-2.0
"""What is no usable T1 head gets no number: noise, phantoms, limbs, other sequences, ruins."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_inputs import Case, bodies, nonsense, other_contrasts, spoilt
from heads import Recipe, draw, read_map

from memoryguard.processor.engine import Engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def verdicts(engine: Engine, cases: list[Case]) -> dict[str, str]:
    """Those that were measured although they should not have been."""
    wrong: dict[str, str] = {}
    for case in cases:
        result = engine.measure(case.image)
        allowed = ("refused", "warned") if case.warning_suffices else ("refused",)
        if result.quality.verdict not in allowed:
            wrong[case.name] = result.quality.verdict
        if result.quality.verdict == "refused":
            assert result.quality.reasons
            assert result.labels is result.surfaces is result.brain is None
            assert all(m.value is None for m in result.volumes_mm3.values())
            assert all(m.value is None for m in result.thickness_mm.values())
    return wrong


def test_nonsense_and_bodies(engine: Engine) -> None:
    cases = [*nonsense(), *bodies()]
    assert len(cases) >= 15
    assert verdicts(engine, cases) == {}


def test_other_sequences_and_spoilt_heads(engine: Engine, shared_data: Path) -> None:
    maps = shared_data / "labelmaps"
    head, _ = draw(read_map("18", maps), Recipe(seed=3))
    assert engine.measure(head).quality.verdict != "refused"
    # Every third one: all of them are run by benchmarks/readings.py.
    contrasts = other_contrasts(read_map("09", maps), spacing_mm=1.5)
    cases = [*contrasts, *[*spoilt(head)][::3]]
    assert len(cases) >= 15
    assert verdicts(engine, cases) == {}
