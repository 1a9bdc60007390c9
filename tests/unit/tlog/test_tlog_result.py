# SPDX-License-Identifier: Apache-2.0
"""The result that the web application's verifier is tested with, too."""

from __future__ import annotations

import json
from pathlib import Path

from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.result import verify_result

VECTOR = json.loads(
    (Path(__file__).parents[2] / "vectors" / "result" / "complete.json").read_text()
)


def test_the_vector_says_what_is_proven() -> None:
    report = verify_result(VECTOR["result"], VerifierKey.parse(VECTOR["key"]))
    assert report.complete
    assert list(report.proven) == VECTOR["proven"]
    assert list(report.unproven) == VECTOR["unproven"]
