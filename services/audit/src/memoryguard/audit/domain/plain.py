# SPDX-License-Identifier: Apache-2.0
"""An entry as plain JSON: what it is found by, and what verifies it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memoryguard.tlog.entry import Entry
from memoryguard.tlog.export import shown


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry with what opens and proves it.

    Parameters
    ----------
    sequence
        Its place in the log.
    entry
        As it lies there.
    opening
        Key of this one entry; None where there is none, or no more.
    proof
        Hashes of its inclusion proof.
    event
        The event, byte for byte, as far as it opens.
    """

    sequence: int
    entry: Entry
    opening: bytes | None
    proof: tuple[bytes, ...]
    event: bytes | None

    def parsed(self) -> Mapping[str, Any] | None:
        """Read the event; None where it does not open, or is no JSON object."""
        try:
            event = json.loads(self.event) if self.event is not None else None
        except (ValueError, RecursionError):
            return None
        return event if isinstance(event, dict) else None


def line(exported: Exported) -> dict[str, Any]:
    """Write an entry as a line of an export in JSON."""
    return {
        **shown(exported.sequence, exported.entry),
        "entry": text(exported.entry.leaf()),
        "opening": None if exported.opening is None else text(exported.opening),
        "proof": texts(exported.proof),
        "event": exported.parsed(),
    }


def text(content: bytes) -> str:
    """Write bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def texts(contents: Sequence[bytes]) -> list[str]:
    """Write several byte strings as base64."""
    return [text(each) for each in contents]
