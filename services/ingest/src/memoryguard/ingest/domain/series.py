# SPDX-License-Identifier: Apache-2.0
"""Judges the series of one study: which are scans, which wait for slices, which are left out.

Codes of series::

    no_t1_series                 not T1-weighted, or does not say so
    localizer                    made only to plan the others
    other_series                 T1-weighted, but a better one is measured
    mixed_patients               more than one person
    mixed_series                 several sizes, directions, kinds, studies or volumes
    bad_geometry                 a place, direction or spacing that cannot be
    too_few_slices               fewer than 20
    incomplete_series            slices missing or unequally far apart
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.contrast import RANK, UNSPECIFIED
from memoryguard.ingest.domain.geometry import Stack, stack
from memoryguard.ingest.domain.header import Header

Note = tuple[str, str]
"""Code and sentence: what was noticed, or left out and why."""

MAY_BECOME_WHOLE = frozenset({"incomplete_series", "too_few_slices"})
"""What more slices can mend."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one series.

    ``whole``: it is a scan; ``stack.order`` sorts its images (of a classic series, localizers left
    out) by place, ``word`` names it. ``waiting``: slices are missing so far. ``left_out``: not what
    we measure. ``refused``: it cannot become a scan.
    """

    state: Literal["whole", "waiting", "left_out", "refused"]
    code: str = ""
    message: str = ""
    hint: str = ""
    word: str = ""
    stack: Stack | None = None
    notes: tuple[Note, ...] = ()


def judge(study: Mapping[str, Sequence[Header]]) -> dict[str, Verdict]:
    """Judge every series of a study.

    Of the whole T1 series the best kind is measured: without contrast agent before with,
    three-dimensional gradient echo before others. All of that kind become scans, one each.

    Parameters
    ----------
    study
        Images by series.

    Returns
    -------
    dict
        A verdict for each series.
    """
    found = {key: _judge_one(images, alone=len(study) == 1) for key, images in study.items()}
    best = min(
        (_kind(study[key], v) for key, v in found.items() if v.state == "whole"), default=None
    )
    for key, verdict in found.items():
        if verdict.state == "whole" and _kind(study[key], verdict) != best:
            better = Rejected("other_series", "a better T1 series is measured")
            found[key] = _because("left_out", better)
    others = sum(verdict.state == "left_out" for verdict in found.values())
    return {key: _explained(verdict, study[key], others) for key, verdict in found.items()}


def _judge_one(images: Sequence[Header], *, alone: bool) -> Verdict:
    if len({image.person for image in images}) > 1:
        reason = Rejected("mixed_patients", "the series names more than one person")
        return _because("refused", reason)
    kept = [image for image in images if not image.localizer]
    if not kept:
        reason = Rejected("localizer", "it was made only to plan the others")
        return _because("left_out", reason)
    words = {image.word for image in kept}
    word = words.pop() if len(words) == 1 else None
    if word is None or (word == UNSPECIFIED and not alone):
        reason = Rejected("no_t1_series", "it is not T1-weighted, or does not say so")
        return _because("left_out", reason)
    try:
        return Verdict("whole", word=word, stack=_whole(kept))
    except Rejected as error:
        return _because("waiting" if error.code in MAY_BECOME_WHOLE else "refused", error)


def _because(state: Literal["waiting", "left_out", "refused"], reason: Rejected) -> Verdict:
    return Verdict(state, reason.code, reason.message, reason.hint)


def _whole(images: Sequence[Header]) -> Stack:
    shapes = {(i.rows, i.columns, i.sop_class, i.transfer_syntax, i.study) for i in images}
    if len(shapes) > 1 or (images[0].enhanced and len(images) > 1):
        raise Rejected("mixed_series", "a series mixes sizes, kinds or studies")
    return stack([frame for image in images for frame in image.places])


def _kind(images: Iterable[Header], verdict: Verdict) -> tuple[bool, int]:
    return any(image.agent for image in images), RANK[verdict.word]


def _explained(verdict: Verdict, images: Iterable[Header], others: int) -> Verdict:
    if verdict.state != "whole":
        return verdict
    notes: list[Note] = []
    if others:
        notes.append(("other_series", f"{others} other series of the study were left out"))
    if any(image.agent for image in images):
        notes.append(("contrast_agent", "the scan was made with a contrast agent"))
    if verdict.word == UNSPECIFIED:
        notes.append(("contrast_unspecified", "the file does not say that it is T1-weighted"))
    return Verdict("whole", word=verdict.word, stack=verdict.stack, notes=tuple(notes))
