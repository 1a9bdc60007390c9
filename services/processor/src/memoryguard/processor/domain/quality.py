# SPDX-License-Identifier: Apache-2.0
"""Is this a T1 head that we can measure? Evidence first, then a verdict over it.

No single number decides: geometry and grey values, how the structures lie, how sure the networks
are, whether the stages and overlapping looks agree, whether white matter is brighter than grey and
grey brighter than fluid, whether the field of view holds the whole brain, and whether the volumes
are those of a human.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.head import Part, added
from memoryguard.processor.domain.image import Grid, Image, sample_field
from memoryguard.processor.domain.locating import NOT_BRAIN, Located
from memoryguard.processor.domain.measurement import Quality, Reason
from memoryguard.processor.domain.volumes import BRAIN, VENTRICLES, certain, confidence, raw_volumes

WARN_SPACING_MM: Final = 1.5
REFUSE_SPACING_MM: Final = 3.1
LEAST_EXTENT_MM: Final = 110.0
"""Shortest side of a field of view that can hold a brain (adult brains are >= 120 mm)."""
LEAST_LEVELS: Final = 24
"""Fewer grey levels than this are a mask, a phantom or a label map."""

SIDES: Final = ("left", "right")
WHITE: Final = ("white_left", "white_right")
CORTEX: Final = ("cortex_left", "cortex_right")
HIPPOCAMPI: Final = ("hippocampus_left", "hippocampus_right")
NUCLEI: Final = tuple(f"{n}_{s}" for n in ("thalamus", "putamen", "caudate") for s in SIDES)
FLUID: Final = ("lateral_ventricle_left", "lateral_ventricle_right")
"""Fluid that is surely seen as such: that around the brain shares its voxels with cortex."""

REASONS: Final[dict[str, tuple[str, str]]] = {
    "residual_mm": ("anatomy_implausible", "The structures do not lie as in a head."),
    "scale": ("size_implausible", "The head's size is outside the human range."),
    "head_uncertainty": ("head_not_recognised", "The network does not recognise a T1 head."),
    "white_over_grey": (
        "not_t1_contrast",
        "White matter is not brighter than grey matter: this is no T1-weighted image.",
    ),
    "grey_over_fluid": (
        "not_t1_contrast",
        "Grey matter is not brighter than fluid: this is no T1-weighted image.",
    ),
    "hippocampus_left": ("hippocampus_left_not_found", "The left hippocampus is not clear."),
    "hippocampus_right": ("hippocampus_right_not_found", "The right hippocampus is not clear."),
    "hippocampus_pieces": ("hippocampus_in_pieces", "A hippocampus is in several pieces."),
    "structures": ("structures_not_found", "The deep structures are not clear."),
    "tissue": ("tissue_not_clear", "White and grey matter are not clear."),
    "stage_agreement": ("stages_disagree", "The coarse and the fine look see different brains."),
    "look_difference": ("looks_disagree", "Overlapping looks at the brain do not agree."),
    "cut_share": ("brain_cut_off", "The field of view does not hold the whole brain."),
    "brain_mm3": ("size_implausible", "The brain's volume is outside the human range."),
    "hippocampus_mm3": ("size_implausible", "A hippocampus is outside the human range."),
    "lit_head": (
        "skull_stripped",
        "There is no head around the brain; the intracranial volume is inferred.",
    ),
}
"""What each kind of evidence says when it is out of bounds: code and sentence."""


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
        """Sum up: any refusal refuses, any warning warns; every code is said once."""
        if self.refused:
            return Quality("refused", _each_once([*self.refused, *self.warned]))
        if self.warned:
            return Quality("warned", _each_once(self.warned))
        return Quality("accepted")


def _each_once(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Return the first reason of every code."""
    first: dict[str, Reason] = {}
    for reason in reasons:
        first.setdefault(reason.code, reason)
    return tuple(first.values())


Range = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Guards:
    """Bounds of every kind of evidence, measured with the shipped weights and stored beside them.

    What lies outside `refuse` refuses the scan, what lies outside `warn` warns.
    """

    refuse: Mapping[str, Range]
    warn: Mapping[str, Range]

    def judge(self, evidence: Mapping[str, float], findings: Findings) -> None:
        """Compare evidence with its bounds; NaN is out of any."""
        for name, value in evidence.items():
            code, message = REASONS[name]
            if name in self.refuse and not _within(value, self.refuse[name]):
                findings.refuse(code, message)
            elif name in self.warn and not _within(value, self.warn[name]):
                findings.warn(code, message)


def _within(value: float, bounds: Range) -> bool:
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high) and value == value


@dataclass(frozen=True, slots=True)
class LocatedEvidence:
    """What finding the head says (see `REASONS`)."""

    residual_mm: float
    scale: float
    head_uncertainty: float


@dataclass(frozen=True, slots=True)
class InsideEvidence:
    """What reading the inside of the brain says (see `REASONS`).

    `white_over_grey` and `grey_over_fluid` are differences of means over the larger of both
    standard deviations; `hippocampus_left`, `hippocampus_right` and `structures` mean
    probabilities where they are over 0.5 (of the structures the least sure one).
    """

    white_over_grey: float
    grey_over_fluid: float
    hippocampus_left: float
    hippocampus_right: float
    hippocampus_pieces: float
    structures: float
    hippocampus_mm3: float


@dataclass(frozen=True, slots=True)
class WholeEvidence:
    """What reading the whole brain says (see `REASONS`).

    `tissue` is the mean probability where it is over 0.5, of the least sure tissue;
    `stage_agreement` a soft Dice, `look_difference` a mean absolute difference of probabilities;
    `cut_share` the share of the brain outside the field of view.
    """

    tissue: float
    stage_agreement: float
    look_difference: float
    cut_share: float
    brain_mm3: float
    lit_head: float


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


def located_evidence(located: Located) -> dict[str, float]:
    """Return `LocatedEvidence` by name."""
    unsure = float((1.0 - located.whole.probability.max(axis=0)).mean())
    frame = located.frame
    return asdict(LocatedEvidence(frame.residual_mm, frame.scale, unsure))


def inside_evidence(
    lattice: Grid, voxels: NDArray[np.float32], parts: dict[str, Part]
) -> dict[str, float]:
    """Return `InsideEvidence` by name.

    Parameters
    ----------
    lattice, voxels, parts
        The head's lattice, the image and the structures there.
    """
    hippocampi = [parts[name] for name in HIPPOCAMPI]
    sure = [certainty(part.probability) for part in hippocampi]
    whole = [in_one_piece(part.probability) for part in hippocampi]
    box = parts["white"].box
    fluid = added(parts, FLUID, box)
    white, grey = parts["white"].probability, parts["cortex"].probability
    return asdict(
        InsideEvidence(
            white_over_grey=_contrast(voxels[box], white, grey),
            grey_over_fluid=_contrast(voxels[box], grey, fluid),
            hippocampus_left=sure[0],
            hippocampus_right=sure[1],
            hippocampus_pieces=min(whole),
            structures=min(certainty(parts[name].probability) for name in NUCLEI),
            hippocampus_mm3=min(part.volume() for part in hippocampi) * lattice.voxel_volume_mm3,
        )
    )


def whole_evidence(
    image: Image,
    located: Located,
    lattice: Grid,
    parts: dict[str, Part],
    look_difference: float,
) -> dict[str, float]:
    """Return `WholeEvidence` by name.

    Parameters
    ----------
    image
        The scan.
    located
        Where its head is.
    lattice, parts
        The head's lattice and the structures there.
    look_difference
        Between overlapping boxes.
    """
    brain = added(parts, (*BRAIN, *VENTRICLES), parts["csf"].box)
    grid = parts["csf"].grid(lattice)
    return asdict(
        WholeEvidence(
            tissue=min(certainty(parts[name].probability) for name in (*WHITE, *CORTEX)),
            stage_agreement=_agreement(located, brain, grid),
            look_difference=look_difference,
            cut_share=_cut_share(image, brain, grid),
            brain_mm3=raw_volumes(parts, lattice.voxel_volume_mm3)["total_brain"],
            lit_head=lit_head(located),
        )
    )


def certainty(probability: NDArray[np.float32]) -> float:
    """Mean probability where it is over 0.5; 0 where it is nowhere."""
    return confidence([certain(probability)])


def in_one_piece(probability: NDArray[np.float32]) -> float:
    """Share of the voxels over 0.5 that lie in their largest connected part."""
    from scipy import ndimage

    mask = probability > 0.5
    inside = int(mask.sum())
    if inside == 0:
        return 0.0
    labelled: Any = ndimage.label(mask)
    return int(np.bincount(labelled[0][mask]).max()) / inside


def _contrast(
    seen: NDArray[np.float32], bright: NDArray[np.float32], dark: NDArray[np.float32]
) -> float:
    """Difference of means over the larger standard deviation, where each is nearly certain."""
    a, b = seen[bright > 0.9], seen[dark > 0.9]
    if a.size < 100 or b.size < 100:
        return float("nan")
    return float((a.mean() - b.mean()) / max(float(a.std()), float(b.std()), 1e-6))


def _agreement(located: Located, brain: NDArray[np.float32], grid: Grid) -> float:
    """Soft Dice of the brain at 3 mm and at 1 mm (without ventricles' difference: both whole)."""
    from scipy import ndimage

    coarse = located.whole.without(*NOT_BRAIN)
    smooth: Any = ndimage.uniform_filter(brain, 3)
    fine = sample_field(smooth, grid.ras_from_ijk, located.whole.grid)
    both = float(np.minimum(coarse, fine).sum(dtype=np.float64))
    return 2 * both / max(float(coarse.sum(dtype=np.float64) + fine.sum(dtype=np.float64)), 1e-6)


def _cut_share(image: Image, brain: NDArray[np.float32], grid: Grid) -> float:
    """Share of the brain that lies outside the image."""
    ijk_from_grid = np.linalg.inv(image.ras_from_ijk) @ grid.ras_from_ijk
    at = np.nonzero(brain > 0.5)
    if at[0].size == 0:
        return 1.0
    points = np.stack(at)[:, ::50]
    index = ijk_from_grid[:3, :3] @ points + ijk_from_grid[:3, 3:]
    last = np.array(image.voxels.shape)[:, None] - 1
    return float(((index < 0) | (index > last)).any(0).mean())


def lit_head(located: Located) -> float:
    """Share of the head around the brain that is not black.

    Black is under a tenth of the brain's mean. The network names the head's place even where it
    was cut away, so its volume says nothing.
    """
    outside = located.whole.of("head") > 0.5
    inside = located.whole.of("white") > 0.5
    if not outside.any() or not inside.any():
        return 0.0
    intensity = located.intensity
    dark = float(np.percentile(intensity, 1.0))
    level = dark + 0.1 * (float(intensity[inside].mean()) - dark)
    return float((intensity[outside] > level).mean())
