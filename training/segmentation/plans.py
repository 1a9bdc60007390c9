# SPDX-License-Identifier: Apache-2.0
"""What each of the three networks sees and names: box, spacing, classes, channels, steps."""

from __future__ import annotations

from dataclasses import dataclass, field

# Left-hemisphere numbers; the right side's are found by MIRROR.
MIRROR = {
    2: 41, 3: 42, 4: 43, 5: 44, 7: 46, 8: 47, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53,
    18: 54, 25: 57, 26: 58, 28: 60, 30: 62, 136: 163, 137: 164,
}  # fmt: skip

LATERAL_VENTRICLE = (4, 5, 136, 137)
WHITE = (2, 25, 30)


def both(*labels: int) -> tuple[int, ...]:
    """The labels and their mirror images."""
    return labels + tuple(MIRROR[label] for label in labels if label in MIRROR)


def right(*labels: int) -> tuple[int, ...]:
    """Only the mirror images."""
    return tuple(MIRROR[label] for label in labels)


@dataclass(frozen=True)
class Plan:
    """One network.

    `classes` maps a name to FreeSurfer numbers of the *left* side's view; whatever is not
    named falls into `rest` (brain) or class 0 (outside the brain).
    """

    name: str
    shape: tuple[int, int, int]
    spacing_mm: float
    anchor: str
    one_side: bool
    offset_mm: tuple[float, float, float]
    jitter_mm: float
    far_jitter_mm: float
    channels: tuple[int, ...]
    refine: int
    classes: dict[str, tuple[int, ...]]
    rest: str
    steps: int
    rate: float = 2.5e-3
    subvoxels: int = 4
    rotation_deg: float = 16.0
    random_contrast: float = 0.16
    stripped: float = 0.15
    variety: float = 1.0
    held_out: tuple[str, ...] = field(default=("02", "09", "18"))


WHOLE = Plan(
    name="whole",
    shape=(64, 80, 64),
    spacing_mm=3.0,
    anchor="brain",
    one_side=False,
    offset_mm=(0.0, 0.0, 0.0),
    jitter_mm=8.0,
    far_jitter_mm=30.0,
    channels=(32, 64, 96),
    refine=0,
    classes={
        "background": (0,),
        "head": (502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530),
        "csf": (24,),
        "cortex": both(3),
        "white": both(*WHITE),
        "lateral_ventricle": both(*LATERAL_VENTRICLE),
        "third_ventricle": (14,),
        "fourth_ventricle": (15, 72),
        "cerebellar_white": both(7),
        "cerebellar_cortex": both(8),
        "thalamus": both(10),
        "caudate": both(11),
        "putamen": both(12),
        "pallidum": both(13),
        "brainstem": (16,),
        "hippocampus": both(17),
        "amygdala": both(18),
        "ventral": (*both(26, 28), 85),
    },
    rest="ventral",
    steps=1700,
    random_contrast=0.08,
)

HELD_OUT_HEAD = Plan(
    name="held_out_head",
    shape=(176, 216, 208),
    spacing_mm=1.0,
    anchor="brain",
    one_side=False,
    offset_mm=(0.0, 8.0, -6.0),
    jitter_mm=4.0,
    far_jitter_mm=0.0,
    channels=(),
    refine=0,
    classes={},
    rest="",
    steps=0,
    subvoxels=2,
    rotation_deg=10.0,
    random_contrast=0.0,
    stripped=0.2,
    variety=0.4,
)

HIPPOCAMPUS = Plan(
    name="hippocampus",
    shape=(48, 64, 48),
    spacing_mm=1.0,
    anchor="hippocampus_left",
    one_side=True,
    offset_mm=(0.0, 0.0, 0.0),
    jitter_mm=6.0,
    far_jitter_mm=0.0,
    channels=(32, 64, 64),
    refine=16,
    classes={
        "outside": (0, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530),
        "hippocampus": (17,),
        "amygdala": (18,),
        "lateral_ventricle": LATERAL_VENTRICLE,
        "white": both(*WHITE),
        "cortex": both(3),
        "rest": (),
        "csf": (24,),
    },
    rest="rest",
    steps=2500,
    random_contrast=0.08,
)

VENTRICLES = Plan(
    name="ventricles",
    shape=(40, 88, 56),
    spacing_mm=1.5,
    anchor="deep",
    one_side=True,
    offset_mm=(-16.0, -20.0, 0.0),
    jitter_mm=5.0,
    far_jitter_mm=0.0,
    channels=(32, 64, 64),
    refine=16,
    classes={
        "outside": (0, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530),
        "lateral_ventricle": LATERAL_VENTRICLE,
        "lateral_ventricle_other": right(*LATERAL_VENTRICLE),
        "third_ventricle": (14,),
        "thalamus": both(10),
        "caudate": both(11),
        "putamen": both(12),
        "pallidum": both(13),
        "white": both(*WHITE),
        "cortex": both(3),
        "rest": (),
        "csf": (24,),
    },
    rest="rest",
    steps=1200,
    rotation_deg=12.0,
)

PLANS = {plan.name: plan for plan in (WHOLE, HIPPOCAMPUS, VENTRICLES)}
