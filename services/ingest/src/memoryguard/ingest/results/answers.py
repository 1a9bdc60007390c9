# SPDX-License-Identifier: Apache-2.0
"""What comes of storing a result somewhere else, whatever it is asked by."""

from __future__ import annotations

from memoryguard.common.errors import Rejected, Unavailable

PATIENCE_S = 60.0
"""How long an archive may be silent."""


def away() -> Unavailable:
    """It may work later."""
    return Unavailable(
        "destination_away", "the archive that results are stored back to does not answer"
    )


def refused() -> Rejected:
    """It will not work before somebody changes something there or here."""
    return Rejected(
        "destination_refused",
        "the archive that results are stored back to does not take one",
        "may this deployment store there? see docs/DICOM.md",
    )
