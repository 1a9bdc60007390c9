# SPDX-License-Identifier: Apache-2.0
"""What each network sees and names: boxes in the head's frame, classes, channels, steps."""

from __future__ import annotations

from dataclasses import dataclass

# Left-hemisphere numbers; the right side's are found by MIRROR.
MIRROR = {
    2: 41, 3: 42, 4: 43, 5: 44, 7: 46, 8: 47, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53,
    18: 54, 25: 57, 26: 58, 28: 60, 30: 62, 136: 163, 137: 164,
}  # fmt: skip

LATERAL_VENTRICLE = (4, 136, 137)
INFERIOR_HORN = (5,)
WHITE = (2, 25, 30)
OUTSIDE = (0, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530, 531)
HEAD = OUTSIDE[1:]


def both(*labels: int) -> tuple[int, ...]:
    """The labels and their mirror images."""
    return labels + tuple(MIRROR[label] for label in labels if label in MIRROR)


def right(*labels: int) -> tuple[int, ...]:
    """Only the mirror images."""
    return tuple(MIRROR[label] for label in labels)


@dataclass(frozen=True)
class Plan:
    """One network.

    Its boxes lie along the axes of the head's frame (see anatomy.py), centred on `centres_mm`,
    with voxels of `spacing_mm` times the frame's scale. `one_side` networks see the right
    half mirrored. `classes` maps a name to FreeSurfer numbers of the *left* side's view;
    whatever is not named falls into `rest` (brain) or the first class (outside the brain).
    `rotation_deg`, `shift_mm`, `far_shift_mm` (in three of ten draws) and `size` say how far the
    frame found in use may be from the true one. `fine_mm` > 0 also bends single borders by up to
    so much and moves them unevenly. The loss looks at `focus` classes and what lies around them.
    """

    name: str
    shape: tuple[int, int, int]
    spacing_mm: float
    centres_mm: tuple[tuple[float, float, float], ...]
    one_side: bool
    rotation_deg: float
    shift_mm: float
    size: float
    channels: tuple[int, ...]
    refine: int
    classes: dict[str, tuple[int, ...]]
    rest: str
    steps: int
    fold: int = 2
    far_shift_mm: float = 0.0
    rate: float = 2.5e-3
    random_contrast: float = 0.10
    stripped: float = 0.15
    variety: float = 1.0
    fine_mm: float = 0.0
    focus: tuple[str, ...] = ()


WHOLE = Plan(
    name="whole",
    shape=(64, 80, 64),
    spacing_mm=3.0,
    centres_mm=((0.0, 2.0, 4.0),),
    one_side=False,
    rotation_deg=18.0,
    shift_mm=8.0,
    far_shift_mm=30.0,
    size=0.15,
    channels=(32, 64, 96),
    refine=0,
    classes={
        "background": (0,),
        "head": HEAD,
        "csf": (24,),
        "cortex": both(3),
        "white": both(*WHITE),
        "lateral_ventricle": both(*LATERAL_VENTRICLE, *INFERIOR_HORN),
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
    steps=1600,
)

TISSUE = Plan(
    name="tissue",
    shape=(80, 104, 80),
    spacing_mm=1.0,
    centres_mm=(
        (-32.0, -42.0, -29.0),
        (-32.0, 42.0, -29.0),
        (-32.0, -42.0, 43.0),
        (-32.0, 42.0, 43.0),
    ),
    one_side=True,
    rotation_deg=5.0,
    shift_mm=4.0,
    size=0.05,
    channels=(32, 64, 128),
    refine=16,
    classes={
        "outside": OUTSIDE,
        "csf": (24,),
        "cortex": (3,),
        "white": WHITE,
        "cortex_other": right(3),
        "white_other": right(*WHITE),
        "ventricle": (*both(*LATERAL_VENTRICLE, *INFERIOR_HORN), 14, 72),
        "fourth_ventricle": (15,),
        "cerebellar_white": both(7),
        "cerebellar_cortex": both(8),
        "brainstem": (16,),
        "deep_grey": (),
    },
    rest="deep_grey",
    steps=4900,
)

DEEP = Plan(
    name="deep",
    shape=(56, 128, 80),
    spacing_mm=1.0,
    centres_mm=((-19.0, -10.0, 9.0),),
    one_side=True,
    rotation_deg=5.0,
    shift_mm=4.0,
    size=0.05,
    channels=(32, 64, 128),
    refine=16,
    classes={
        "outside": OUTSIDE,
        "csf": (24,),
        "hippocampus": (17,),
        "amygdala": (18,),
        "lateral_ventricle": LATERAL_VENTRICLE,
        "inferior_lateral_ventricle": INFERIOR_HORN,
        "lateral_ventricle_other": right(*LATERAL_VENTRICLE, *INFERIOR_HORN),
        "third_ventricle": (14,),
        "thalamus": (10,),
        "caudate": (11,),
        "putamen": (12,),
        "pallidum": (13,),
        "accumbens": (26,),
        "ventral": (28,),
        "white": both(*WHITE),
        "cortex": both(3),
        "rest": (),
    },
    rest="rest",
    steps=3600,
    fine_mm=0.8,
    focus=("thalamus", "caudate", "putamen", "pallidum", "accumbens", "lateral_ventricle"),
)

TEMPORAL = Plan(
    name="temporal",
    shape=(48, 64, 48),
    spacing_mm=1.0,
    centres_mm=((-23.0, 0.0, -7.0),),
    one_side=True,
    rotation_deg=5.0,
    shift_mm=4.0,
    size=0.05,
    channels=(16, 32, 64, 96),
    refine=0,
    classes={
        "outside": OUTSIDE,
        "csf": (24,),
        "hippocampus": (17,),
        "amygdala": (18,),
        "inferior_lateral_ventricle": INFERIOR_HORN,
        "lateral_ventricle": LATERAL_VENTRICLE,
        "thalamus": (10,),
        "putamen": (12,),
        "white": both(*WHITE),
        "cortex": both(3),
        "rest": (),
    },
    rest="rest",
    steps=4200,
    fold=1,
    fine_mm=0.8,
    focus=("hippocampus", "amygdala", "inferior_lateral_ventricle"),
)

HELD_OUT_HEAD = Plan(
    name="held_out_head",
    shape=(184, 224, 216),
    spacing_mm=1.0,
    centres_mm=((0.0, 6.0, -8.0),),
    one_side=False,
    rotation_deg=10.0,
    shift_mm=4.0,
    size=0.10,
    channels=(),
    refine=0,
    classes={},
    rest="",
    steps=0,
    random_contrast=0.0,
    stripped=0.2,
    variety=0.4,
)

PLANS = {plan.name: plan for plan in (WHOLE, TISSUE, DEEP, TEMPORAL)}
