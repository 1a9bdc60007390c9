# SPDX-License-Identifier: Apache-2.0
"""What tests of contracts start from."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def nothing_left_by_others() -> None:
    """Collect what earlier tests dropped, so that it is not collected while a test reads sources.

    A Kafka client's task that failed unheard logs its traceback when it is collected, which on
    Python 3.11 parses source lines. In the middle of an `ast.parse` that ends in a SystemError,
    "AST constructor recursion depth mismatch".
    """
    gc.collect()
