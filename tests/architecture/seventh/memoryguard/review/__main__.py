# SPDX-License-Identifier: Apache-2.0
"""Run review alone: ``python -m memoryguard.review``."""

from memoryguard.common.runtime.run import main
from memoryguard.review.service import RECIPE

if __name__ == "__main__":
    main(RECIPE)
