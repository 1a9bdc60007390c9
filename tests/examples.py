# SPDX-License-Identifier: Apache-2.0
"""Facts of the committed examples, as a test wants them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from memoryguard.common.contracts.event import Fact, decode
from memoryguard.common.contracts.flow import FACTS

EXAMPLES = Path(__file__).parents[1] / "libs" / "common" / "examples"
F = TypeVar("F", bound=Fact)


def example(kind: type[F], **changes: object) -> F:
    """Read the example of a kind, with some fields changed."""
    fact = decode((EXAMPLES / f"{kind.type}.json").read_bytes(), FACTS).data
    assert isinstance(fact, kind)
    return kind.model_validate(fact.model_dump() | changes)
