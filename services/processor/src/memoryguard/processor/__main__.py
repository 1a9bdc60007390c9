# SPDX-License-Identifier: Apache-2.0
"""Run processor alone: ``python -m memoryguard.processor``."""

from __future__ import annotations

from memoryguard.common.runtime.run import main
from memoryguard.processor.service import RECIPE

if __name__ == "__main__":
    main(RECIPE)
