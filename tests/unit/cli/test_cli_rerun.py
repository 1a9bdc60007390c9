# SPDX-License-Identifier: Apache-2.0
"""When a verdict is another one, and what was known when it was given."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from examples import example

from memoryguard.cli.rerun.kept import Kept
from memoryguard.cli.rerun.verdict import changes, verdict
from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, new_event

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minute: int, fact: Fact, cause: Event | None = None) -> Event:
    time = START + timedelta(minutes=minute)
    return new_event(fact, source="/test", cause=cause, time=time)


def predicted(similarity: float, mci: float = 0.3, **changes: Any) -> e.RiskPredicted:
    groups = {"CN": 1.0 - mci - similarity, "MCI": mci, "Dementia": similarity}
    return example(e.RiskPredicted, probabilities=groups, output=similarity, **changes)


WITHHELD = example(e.RiskWithheld)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (predicted(0.1), predicted(0.1), []),
        (predicted(0.1), predicted(0.1499), []),
        (predicted(0.1), predicted(0.1501), ["dementia_similarity"]),
        (predicted(0.1501), predicted(0.1), ["dementia_similarity"]),
        (predicted(0.36, 0.32), predicted(0.33, 0.32), ["most_similar_group"]),
        (predicted(0.1), predicted(0.6), ["most_similar_group", "dementia_similarity"]),
        (predicted(0.1), predicted(0.1, explained="another"), ["explained_output"]),
        (predicted(0.1), WITHHELD, ["predicted_to_withheld"]),
        (WITHHELD, predicted(0.1), ["withheld_to_predicted"]),
        (WITHHELD, WITHHELD, []),
    ],
)
def test_when_a_verdict_is_another_one(
    old: e.RiskPredicted, new: e.RiskPredicted, expected: list[str]
) -> None:
    assert changes(verdict(old), verdict(new), 0.05) == expected


def test_a_verdict_that_metrics_caused_is_about_the_score_before_it() -> None:
    first, late = at(0, example(e.AtrophyScored)), at(9, example(e.AtrophyScored))
    metrics = at(2, example(e.HealthRecorded))
    for cause, said_at, expected in (
        (first, 5, first.id),
        (metrics, 5, first.id),
        (metrics, 10, late.id),
        (None, 5, first.id),
    ):
        events = [first, late, metrics, at(said_at, example(e.RiskPredicted), cause)]
        for order in (events, events[::-1]):
            kept = Kept(START)
            for event in order:
                kept.hear(event)
            assert kept.scans() == {expected: example(e.AtrophyScored).scan_id}


def test_the_latest_verdict_counts_and_the_latest_day_of_a_metric() -> None:
    kept = Kept(START)
    score = at(0, example(e.AtrophyScored))
    for event in (
        score,
        at(3, WITHHELD, score),
        at(2, example(e.RiskPredicted), score),
        at(1, example(e.HealthRecorded, recorded_on=date(2025, 2, 1), metrics={"moca": 20})),
        at(2, example(e.HealthRecorded, recorded_on=date(2025, 1, 1), metrics={"moca": 9})),
        at(3, example(e.HealthRecorded, recorded_on=date(2025, 2, 1), metrics={"mmse": 21})),
        at(4, example(e.HealthRecorded, recorded_on=date(2025, 3, 1), metrics={"moca": 8})),
    ):
        kept.hear(event)
    (said,) = kept.verdicts.values()
    assert said.verdict == verdict(WITHHELD)
    assert kept.health_of(said) == {"moca": 20, "mmse": 21}


def test_verdicts_before_the_day_and_of_the_erased_do_not_count() -> None:
    score = at(0, example(e.AtrophyScored))
    kept = Kept(START + timedelta(days=1))
    for event in (score, at(1, WITHHELD, score)):
        kept.hear(event)
    assert not kept.verdicts
    kept = Kept(START)
    erased = at(2, example(e.ScanErased, subject_id=WITHHELD.subject_id))
    for event in (erased, score, at(1, WITHHELD, score)):
        kept.hear(event)
    assert (kept.scans(), kept.left_out()) == ({}, {"erased": 1, "score_not_kept": 0})
