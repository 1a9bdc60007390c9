# SPDX-License-Identifier: Apache-2.0
"""Run atrophy alone: ``python -m memoryguard.atrophy``."""

from __future__ import annotations

from memoryguard.atrophy.service import RECIPE
from memoryguard.common.runtime.run import main

if __name__ == "__main__":
    main(RECIPE)
