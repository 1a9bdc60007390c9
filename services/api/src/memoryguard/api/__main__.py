# SPDX-License-Identifier: Apache-2.0
"""Run this service alone: ``python -m memoryguard.api``."""

from __future__ import annotations

from memoryguard.api.service import RECIPE
from memoryguard.common.runtime.run import main

if __name__ == "__main__":
    main(RECIPE)
