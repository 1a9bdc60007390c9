# SPDX-License-Identifier: Apache-2.0
"""Where a scan stands, for every set of facts that matters."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import api_facts as say
import pytest

from memoryguard.api.projection import KINDS
from memoryguard.api.status import KIND_OF_EVENT, Arrived, Facts, standing
from memoryguard.common.contracts.event import Fact

FACTS: dict[str, Fact] = {
    "received": say.received(),
    "rejected": say.rejected(),
    "extracted": say.extracted(),
    "refused": say.refused(),
    "scored": say.scored(),
    "predicted": say.predicted(),
    "withheld": say.withheld(),
    "failed.processor": say.failure("processor", "memoryguard.scan.received.v1"),
    "failed.atrophy": say.failure("atrophy", "memoryguard.volumes.extracted.v1"),
    "failed.ml": say.failure("ml", "memoryguard.atrophy.scored.v1"),
    "failed.api": say.failure("api", "memoryguard.volumes.extracted.v1"),
    "failed.ingest": say.failure("ingest", "memoryguard.scan.available.v1"),
}


def facts(text: str) -> Facts:
    """The facts named, each ten seconds after the one before."""
    return {
        kind: Arrived(at, at, FACTS[kind].model_dump(mode="json"))
        for place, kind in enumerate(text.split())
        for at in [say.START + timedelta(seconds=10 * place)]
    }


@pytest.mark.parametrize(
    ("arrived", "status", "stage", "code"),
    [
        ("", "uploaded", "received", None),
        ("received", "uploaded", "received", None),
        ("received extracted", "processing", "measured", None),
        ("received extracted scored", "processing", "scored", None),
        ("received extracted scored predicted", "completed", "explained", None),
        ("received extracted scored withheld", "completed", "explained", None),
        ("received extracted scored withheld predicted", "completed", "explained", None),
        # out of order across topics: not completed before everything is there
        ("extracted", "processing", "received", None),
        ("scored predicted", "processing", "received", None),
        ("received predicted", "processing", "received", None),
        ("received scored predicted", "processing", "received", None),
        ("extracted scored predicted", "processing", "received", None),
        # refusals
        ("rejected", "failed", "received", "wrong_modality"),
        ("received refused", "failed", "received", "not_a_head"),
        ("refused", "failed", "received", "not_a_head"),
        ("received refused extracted", "processing", "measured", None),  # measured again
        ("received extracted refused", "failed", "received", "not_a_head"),
        # dead letters matter as long as what they owe is missing
        ("received failed.processor", "failed", "received", "bug"),
        ("received failed.processor extracted", "processing", "measured", None),
        ("received extracted failed.atrophy", "failed", "measured", "bug"),
        ("received extracted failed.atrophy scored", "processing", "scored", None),
        ("received extracted scored failed.ml", "failed", "scored", "bug"),
        ("received extracted scored failed.ml withheld", "completed", "explained", None),
        ("received scored failed.api", "failed", "received", "bug"),
        ("received extracted scored predicted failed.api", "completed", "explained", None),
        ("received failed.ingest", "uploaded", "received", None),
        ("failed.processor", "failed", "received", "bug"),
    ],
)
def test_the_status_follows_from_the_facts(
    arrived: str, status: str, stage: str, code: str | None
) -> None:
    result = standing(facts(arrived))
    assert (result.status, result.stage) == (status, stage)
    assert (result.problem.code if result.problem else None) == code
    assert result.final is (status in ("completed", "failed"))


def test_the_order_of_the_keys_does_not_matter() -> None:
    everything = facts("received extracted scored withheld predicted failed.ml failed.atrophy")
    results = {
        repr(standing({kind: everything[kind] for kind in order}))
        for order in permutations(everything)
    }
    assert len(results) == 1


def test_seconds_are_told_per_stage() -> None:
    assert standing(facts("received extracted scored predicted")).seconds == {
        "measured": 10.0,
        "scored": 10.0,
        "explained": 10.0,
        "total": 30.0,
    }
    assert standing(facts("received")).seconds == {}
    assert standing(facts("received refused")).seconds == {"total": 10.0}


def test_answers_given_again_later_do_not_lengthen_what_a_scan_took() -> None:
    told = facts("received extracted scored predicted")
    years = timedelta(days=730)
    again = {
        kind: Arrived(told[kind].at + years, told[kind].first_at, told[kind].data)
        for kind in ("scored", "predicted")
    }
    assert standing({**told, **again}).seconds == standing(told).seconds


def test_clocks_that_differ_give_no_negative_seconds() -> None:
    assert standing(facts("extracted received")).seconds == {"measured": 0.0}


def test_every_recorded_kind_is_known_to_the_dead_letters() -> None:
    assert {fact.type: kind for fact, kind in KINDS.items() if kind != "rejected"} == KIND_OF_EVENT
