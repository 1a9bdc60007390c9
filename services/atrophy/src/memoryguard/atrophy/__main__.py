# SPDX-License-Identifier: Apache-2.0
"""Run atrophy alone: ``python -m memoryguard.atrophy``."""

from __future__ import annotations

from memoryguard.common.runtime.run import main
from memoryguard.atrophy.service import RECIPE

if __name__ == "__main__":
    main(RECIPE)
