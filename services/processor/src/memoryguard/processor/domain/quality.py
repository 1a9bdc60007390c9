# SPDX-License-Identifier: Apache-2.0
"""Is this a T1 head that we can measure? Checks before and after the networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.anatomy import Fit
from memoryguard.processor.domain.drawing import Soft
from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.measurement import Quality, Reason

WARN_SPACING_MM: Final = 1.5
REFUSE_SPACING_MM: Final = 3.1
LEAST_EXTENT_MM: Final = 110.0
"""Shortest side of a field of view that can hold a brain (adult brains are >= 120 mm)."""
LEAST_LIT_HEAD: Final = 0.5
"""Where less than this share of the head is lit, it was cut away.

Seen so far: whole heads .86-.97, stripped ones .10-.25.
"""
LEAST_LEVELS: Final = 24
"""Fewer grey levels than this are a mask, a phantom or a label map."""


@dataclass(slots=True)
class Findings:
    """Reasons collected on the way."""

    refused: list[Reason] = field(default_factory=list[Reason])
    warned: list[Reason] = field(default_factory=list[Reason])

    def refuse(self, code: str, message: str) -> None:
        """Note a reason to refuse."""
        self.refused.append(Reason(code, message))

    def warn(self, code: str, message: str) -> None:
        """Note a reason to warn."""
        self.warned.append(Reason(code, message))

    def verdict(self) -> Quality:
        """Sum up: any refusal refuses, any warning warns."""
        if self.refused:
            return Quality("refused", (*self.refused, *self.warned))
        if self.warned:
            return Quality("warned", tuple(self.warned))
        return Quality("accepted")


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure a network is of one structure.

    `uncertainty` is sum p(1-p) / sum p, `confidence` the mean p where p > 0.5,
    `largest_share` the share of the mask in its largest connected part.
    """

    uncertainty: float
    confidence: float
    largest_share: float


@dataclass(frozen=True, slots=True)
class Guards:
    """Limits, measured with the shipped weights (see MODEL_CARD.md) and stored beside them."""

    uncertainty: float
    confidence: float
    largest_share: float
    residual_mm: float
    volume_ratio: tuple[float, float]
    brain_mm3: tuple[float, float]
    head_uncertainty: float


def certainty(probability: NDArray[np.float32]) -> Certainty:
    """Judge one soft structure (values 0..1, any 3-D grid)."""
    from scipy import ndimage

    total = float(probability.sum())
    mask = probability > 0.5
    inside = int(mask.sum())
    if total <= 0.0 or inside == 0:
        return Certainty(1.0, 0.0, 0.0)
    labelled: Any = ndimage.label(mask)
    parts = labelled[0]
    largest = int(np.bincount(parts[mask]).max())
    spread = float((probability * (1.0 - probability)).sum()) / total
    return Certainty(spread, float(probability[mask].mean()), largest / inside)


def check_geometry(image: Image, findings: Findings) -> None:
    """Spacing, field of view and finite numbers."""
    if image.voxels.ndim != 3 or not np.isfinite(image.ras_from_ijk).all():
        findings.refuse("not_a_volume", "The data are not one three-dimensional volume.")
        return
    if image.voxel_volume_mm3 < 1e-6:
        findings.refuse("not_a_volume", "The voxels have no volume.")
        return
    spacing = image.spacing_mm
    if max(spacing) > REFUSE_SPACING_MM:
        findings.refuse(
            "slices_too_thick",
            f"Voxels are more than {REFUSE_SPACING_MM} mm apart along one axis.",
        )
    elif max(spacing) > WARN_SPACING_MM:
        findings.warn(
            "thick_slices",
            f"Voxels are more than {WARN_SPACING_MM} mm apart along one axis: less exact.",
        )
    extent = [n * s for n, s in zip(image.voxels.shape, spacing, strict=True)]
    if min(extent) < LEAST_EXTENT_MM:
        findings.refuse(
            "field_of_view_too_small",
            f"The field of view is under {LEAST_EXTENT_MM:.0f} mm along one axis: no whole brain.",
        )


def check_intensities(image: Image, findings: Findings) -> None:
    """Finite, varied values with something and some background in them."""
    values = image.voxels[::3, ::3, ::3]
    if not np.isfinite(values).all():
        findings.refuse("not_finite", "The volume holds values that are not numbers.")
        return
    low, high = (float(v) for v in np.percentile(values, (1.0, 99.0)))
    if not high > low:
        findings.refuse("no_contrast", "The volume has no contrast.")
        return
    if len(np.unique(values)) < LEAST_LEVELS:
        findings.refuse("too_few_grey_levels", "The volume has too few grey levels for an image.")


def check_structure(name: str, sure: Certainty, guards: Guards, findings: Findings) -> None:
    """Refuse a scan in which a hippocampus was not clearly found."""
    if sure.uncertainty > guards.uncertainty or sure.confidence < guards.confidence:
        findings.refuse(
            f"{name}_not_found", "The network is not sure of a hippocampus: no T1 head, or damaged."
        )
    elif sure.largest_share < guards.largest_share:
        findings.refuse(f"{name}_in_pieces", "What looks like a hippocampus is in several pieces.")


def check_whole(whole: Soft, fit: Fit, guards: Guards, findings: Findings) -> None:
    """Refuse what has no brain in it, or one of impossible shape."""
    names = [name for name in whole.names if name not in ("background", "head")]
    inside_mm3 = whole.volume_mm3(*names)
    low, high = guards.brain_mm3
    if not low <= inside_mm3 <= high:
        findings.refuse("no_brain", "No brain of a plausible size was found.")
        return
    if fit.residual_mm > guards.residual_mm:
        findings.refuse("anatomy_implausible", "The structures do not lie as in a head.")
    small, large = guards.volume_ratio
    if not small <= fit.volume_ratio <= large:
        findings.refuse("size_implausible", "The head's size is outside the human range.")
    total = whole.probability.max(axis=0)
    sure = float((1.0 - total).mean())
    if sure > guards.head_uncertainty:
        findings.refuse("head_not_recognised", "The network does not recognise a T1 head.")


def lit_head(whole: Soft, intensity: NDArray[np.float32]) -> float:
    """Share of the head around the brain that is not black.

    `intensity` lies on the grid of `whole`; black is under a tenth of the brain's mean. The
    network names the head's place even where it was cut away, so its volume says nothing.
    """
    outside = whole.of("head") > 0.5
    inside = whole.of("white") > 0.5
    if not outside.any() or not inside.any():
        return 0.0
    dark = float(np.percentile(intensity, 1.0))
    level = dark + 0.1 * (float(intensity[inside].mean()) - dark)
    return float((intensity[outside] > level).mean())


def check_stripped(lit: float, findings: Findings) -> None:
    """Warn when there is no head around the brain: the intracranial volume is then inferred."""
    if lit < LEAST_LIT_HEAD:
        findings.warn(
            "skull_stripped",
            "There is no head around the brain; the intracranial volume is inferred.",
        )
