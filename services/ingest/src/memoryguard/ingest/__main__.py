# SPDX-License-Identifier: Apache-2.0
"""Run ingest alone: ``python -m memoryguard.ingest``."""

from __future__ import annotations

from memoryguard.common.runtime.run import main
from memoryguard.ingest.service import RECIPE

if __name__ == "__main__":
    main(RECIPE)
