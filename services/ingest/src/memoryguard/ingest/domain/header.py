# SPDX-License-Identifier: Apache-2.0
"""What is kept of an image while its series arrives: nothing that identifies.

It is enough to tell whether a series is whole, which series is the T1, and in which order its
images lie, without reading them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memoryguard.ingest.domain.contrast import t1_word
from memoryguard.ingest.domain.geometry import Frame, frames_of
from memoryguard.ingest.domain.inspect import ENHANCED_MR_IMAGE, Instance


@dataclass(frozen=True, slots=True)
class Header:
    """One image: its kind, its size, how it is weighted, and where its frames lie.

    ``word`` names the T1 weighting (`contrast.RANK`), None when it is weighted otherwise; only a
    T1 has ``places``. ``study`` and ``person`` are keyed hashes, which the intake puts in: all
    images of a series must have the same.
    """

    sop_class: str
    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    word: str | None
    agent: bool
    localizer: bool
    places: tuple[Frame, ...]
    study: str = ""
    person: str = ""

    @property
    def enhanced(self) -> bool:
        """Whether it holds many frames (Enhanced MR)."""
        return self.sop_class == ENHANCED_MR_IMAGE

    def document(self) -> dict[str, Any]:
        """Write it as plain data."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return document | {"places": [frame.numbers() for frame in self.places]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Header:
        """Read what `document` wrote."""
        known = {name: document[name] for name in cls.__slots__}
        known["places"] = tuple(Frame.from_numbers(numbers) for numbers in document["places"])
        return cls(**known)


def header_of(instance: Instance) -> Header:
    """Keep what is needed of an image.

    Raises
    ------
    Rejected
        ``missing_attribute``, ``bad_geometry`` (`geometry.frames_of`).
    """
    word = t1_word(instance.contrast)
    wanted = word is not None and not instance.localizer
    return Header(
        sop_class=instance.sop_class,
        transfer_syntax=instance.transfer_syntax,
        rows=instance.rows,
        columns=instance.columns,
        frames=instance.frames,
        word=word,
        agent=instance.contrast.agent,
        localizer=instance.localizer,
        places=frames_of(instance.dataset, instance.frames) if wanted else (),
    )
