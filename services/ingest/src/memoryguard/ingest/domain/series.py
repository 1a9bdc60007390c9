# SPDX-License-Identifier: Apache-2.0
"""Finds the one T1 series among the images of an upload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.contrast import RANK, UNSPECIFIED, t1_word
from memoryguard.ingest.domain.geometry import Stack, frames_of, stack
from memoryguard.ingest.domain.inspect import Instance

Note = tuple[str, str]
"""Code and sentence: what was left out, and why."""


@dataclass(frozen=True, slots=True)
class Series:
    """A whole T1 series.

    ``instances`` are in the order of their place; ``word`` is its name in the closed vocabulary.
    """

    instances: tuple[Instance, ...]
    word: str
    stack: Stack


def choose_t1(instances: Sequence[Instance]) -> tuple[Series, tuple[Note, ...]]:
    """Choose the T1 series of one person.

    The best whole one is taken: three-dimensional gradient echo before others, without contrast
    agent before with, more slices before fewer.

    Raises
    ------
    Rejected
        ``mixed_patients``, ``mixed_series``, ``conflicting_instances``, ``no_t1_series``, or why
        the best candidate is not whole (`geometry.stack`).
    """
    _check_one_person(instances)
    kept, notes = _without_copies(instances)
    images = [instance for instance in kept if not instance.localizer]
    if len(images) < len(kept):
        notes += (("localizer", f"{len(kept) - len(images)} localizer images were left out"),)
    candidates, others = _candidates(_grouped(images))
    chosen, left = _first_whole(candidates)
    if others + left:
        notes += (("other_series", f"{others + left} other series were left out"),)
    if any(instance.contrast.agent for instance in chosen.instances):
        notes += (("contrast_agent", "the scan was made with a contrast agent"),)
    if chosen.word == UNSPECIFIED:
        notes += (("contrast_unspecified", "the file does not say that it is T1-weighted"),)
    return chosen, notes


def _check_one_person(instances: Iterable[Instance]) -> None:
    people = {(instance.issuer, instance.patient_id) for instance in instances}
    births = {instance.birth_date for instance in instances} - {None}
    if len(people) > 1 or len(births) > 1:
        raise Rejected(
            "mixed_patients", "the images are of more than one person", "send them one by one"
        )


def _without_copies(instances: Iterable[Instance]) -> tuple[list[Instance], tuple[Note, ...]]:
    kept: dict[str, Instance] = {}
    copies = 0
    for instance in instances:
        earlier = kept.setdefault(instance.sop_uid, instance)
        copies += earlier is not instance
        if earlier.digest != instance.digest:
            raise Rejected("conflicting_instances", "two different images have the same UID")
    notes = (("duplicate", f"{copies} copies of images were left out"),) if copies else ()
    return list(kept.values()), notes


def _grouped(instances: Iterable[Instance]) -> list[list[Instance]]:
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        groups.setdefault(instance.series_uid, []).append(instance)
    return list(groups.values())


def _candidates(groups: Sequence[list[Instance]]) -> tuple[list[tuple[str, list[Instance]]], int]:
    """Give the T1 series, best first, and how many others there are."""
    named = [(_word(group), group) for group in groups]
    alone = len(groups) == 1
    found = [(w, group) for w, group in named if w is not None and (alone or w != UNSPECIFIED)]
    if not found:
        raise Rejected(
            "no_t1_series",
            "none of the series is a T1-weighted volume",
            "send the T1 series (MPRAGE, SPGR, TFE or the like)",
        )
    found.sort(key=_preference)
    return found, len(groups) - len(found)


def _word(group: Sequence[Instance]) -> str | None:
    """Name a series; images weighted differently within one series are no T1."""
    found = {t1_word(instance.contrast) for instance in group}
    return found.pop() if len(found) == 1 else None


def _preference(candidate: tuple[str, list[Instance]]) -> tuple[bool, int, int, str]:
    word, group = candidate
    slices = sum(instance.frames for instance in group)
    return group[0].contrast.agent, RANK[word], -slices, group[0].series_uid


def _first_whole(candidates: Sequence[tuple[str, list[Instance]]]) -> tuple[Series, int]:
    """Give the first candidate that is a whole volume; when none is, say why the best is not."""
    failures: list[Rejected] = []
    for word, group in candidates:
        try:
            return _whole(word, group), len(candidates) - 1
        except Rejected as error:
            failures.append(error)
    raise failures[0]


def _whole(word: str, group: Sequence[Instance]) -> Series:
    shapes = {(i.study_uid, i.rows, i.columns, i.sop_class, i.transfer_syntax) for i in group}
    if len(shapes) > 1 or (group[0].enhanced and len(group) > 1):
        raise Rejected("mixed_series", "a series mixes studies, sizes or kinds of images")
    frames = [frame for i in group for frame in frames_of(i.dataset, i.frames)]
    found = stack(frames)
    ordered = group if group[0].enhanced else [group[index] for index in found.order]
    return Series(tuple(ordered), word, found)
