# SPDX-License-Identifier: Apache-2.0
"""The QR code of a report: a log proof (C2SP tlog-proof) of the event that its numbers come from.

What a camera reads from it is a file that ``memoryguard audit verify`` checks without a network:
the log's signed checkpoint, the entry's number, its hash, and the hashes between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memoryguard.tlog.checkpoint import parse_checkpoint_text
from memoryguard.tlog.merkle import leaf_hash
from memoryguard.tlog.note import decode_base64, parse_note
from memoryguard.tlog.proof import EntryProof

EVENTS = ("memoryguard.atrophy.scored.v1", "memoryguard.volumes.refused.v1",
          "memoryguard.volumes.extracted.v1")  # fmt: skip
"""Whose proof is printed: the first of these that is proved; a score repeats the volumes."""
MALFORMED = "malformed_result"


@dataclass(frozen=True, slots=True)
class Printed:
    """A proof as it is printed.

    Parameters
    ----------
    text
        The proof file.
    type, sequence, leaf
        Which event it is of, its number in the log, and the hash of its entry.
    origin, size, root
        Of the checkpoint.
    """

    text: str
    type: str
    sequence: int
    leaf: bytes
    origin: str
    size: int
    root: bytes


def printed(block: Mapping[str, Any]) -> Printed | None:
    """Make what is printed of the block ``proof`` of a result; None while nothing is signed."""
    proved = {event["type"]: event for event in block["events"]}
    event = next((proved[kind] for kind in EVENTS if kind in proved), None)
    if event is None:
        return None
    text, signatures = parse_note(block["checkpoint"])
    checkpoint = parse_checkpoint_text(text)
    # The log's own signature is enough, and a small code is read more easily.
    own = [str(each) for each in signatures if each.name == checkpoint.origin]
    note = f"{text}\n{''.join(own)}"
    leaf = leaf_hash(decode_base64(event["entry"], MALFORMED))
    hashes = tuple(decode_base64(each, MALFORMED) for each in event["proof"])
    return Printed(
        str(EntryProof(event["sequence"], hashes, note, extra=leaf)),
        event["type"], event["sequence"], leaf,
        checkpoint.origin, checkpoint.size, checkpoint.root,
    )  # fmt: skip


def code(text: str) -> str:
    """Draw a QR code as SVG."""
    import segno

    return segno.make(text, error="l", micro=False).svg_inline(border=4, omitsize=True)
