# SPDX-License-Identifier: Apache-2.0
"""Run audit alone: ``python -m memoryguard.audit``."""

from __future__ import annotations

from memoryguard.audit.service import RECIPE
from memoryguard.common.runtime.run import main

if __name__ == "__main__":
    main(RECIPE)
