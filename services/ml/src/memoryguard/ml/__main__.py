# SPDX-License-Identifier: Apache-2.0
"""Run ml alone: ``python -m memoryguard.ml``."""

from __future__ import annotations

from memoryguard.common.runtime.run import main
from memoryguard.ml.service import RECIPE

if __name__ == "__main__":
    main(RECIPE)
