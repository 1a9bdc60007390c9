# SPDX-License-Identifier: Apache-2.0
"""What an engine says about one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.processor.domain.image import Grid

Verdict = Literal["accepted", "warned", "refused"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number or the reason why there is none.

    Parameters
    ----------
    value
        In the unit of its table (mm3 or mm); None when it was not measured.
    error_sd
        One standard deviation of our error in the same unit; None when unknown.
    reason
        Code of why `value` is None; None when there is a value.
    confidence
        0..1: how sure the engine is of the structure; None where it says nothing.
    """

    value: float | None
    error_sd: float | None = None
    reason: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a scan was refused or warned about: stable code and one sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The verdict over a scan with its reasons, refusals first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything measured in one scan.

    `volumes_mm3` has every key of `VOLUMES` and `thickness_mm` of `THICKNESS`. `labels`
    (int16, FreeSurfer numbers) lies on the input's grid and is None when refused.
    `seconds` holds wall time by stage. `surfaces` holds the probability (float32, 0..1) of
    every structure that is to be seen as a surface, `brain` that of brain with its ventricles,
    without the fluid around it; each with the grid it lies on, None when not to be shown.
    """

    quality: Quality
    volumes_mm3: dict[str, Measured]
    thickness_mm: dict[str, Measured]
    labels: NDArray[np.int16] | None
    seconds: dict[str, float]
    surfaces: dict[str, tuple[NDArray[np.float32], Grid]] | None = None
    brain: tuple[NDArray[np.float32], Grid] | None = None


def nothing(reason: str) -> tuple[dict[str, Measured], dict[str, Measured]]:
    """Volumes and thicknesses of a scan in which nothing was measured."""
    return (
        {name: Measured(None, None, reason) for name in VOLUMES},
        {name: Measured(None, None, reason) for name in THICKNESS},
    )
