# SPDX-License-Identifier: Apache-2.0
"""Checkpoints (C2SP tlog-checkpoint): the log's signed statement of its size and root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import EMPTY_ROOT, HASH_BYTES
from memoryguard.tlog.note import (
    Signer,
    VerifierKey,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    sign_note,
)

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of a log at one moment.

    Parameters
    ----------
    origin
        Identity of the log; also the name of the key that signs it.
    size
        Number of entries.
    root
        32-byte root hash of the tree over them.

    Raises
    ------
    Unverified
        ``malformed_checkpoint``.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin or self.size < 0 or len(self.root) != HASH_BYTES:
            raise Unverified("malformed_checkpoint", "the checkpoint's fields are malformed")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Unverified("malformed_checkpoint", "an empty log has another root")

    @property
    def text(self) -> str:
        """The text that is signed, its final newline included."""
        root = encode_base64(self.root)
        return f"{self.origin}\n{self.size}\n{root}\n"


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the checkpoint as a signed note; the signer's name must be the log's origin."""
    if signer.name != checkpoint.origin:
        raise ValueError("a checkpoint is signed under the log's own name")
    return sign_note(checkpoint.text, signer)


def open_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Verify and read a checkpoint.

    Parameters
    ----------
    note
        The signed note. Further signatures (of witnesses) are ignored.
    key
        The log's public key; its name is the origin that the checkpoint must have.

    Raises
    ------
    Unverified
        ``malformed_note``, ``malformed_checkpoint``, ``unknown_key``, ``bad_signature`` or
        ``other_origin``.
    """
    checkpoint = parse_checkpoint_text(open_note(note, [key]))
    if checkpoint.origin != key.name:
        raise Unverified("other_origin", "the checkpoint is of another log")
    return checkpoint


def claimed_size(note: str) -> int | None:
    """Give the size that a note speaks of, which nobody has verified; None where it is no note."""
    try:
        return parse_checkpoint_text(parse_note(note)[0]).size
    except Unverified:
        return None


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read a checkpoint's text, whose signature the caller has verified.

    Extension lines are refused: ours has none, and nothing could check what they say.

    Raises
    ------
    Unverified
        ``malformed_checkpoint``.
    """
    lines: Sequence[str] = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Unverified("malformed_checkpoint", "a checkpoint has exactly three lines")
    size = parse_decimal(lines[1], "malformed_checkpoint")
    return Checkpoint(lines[0], size, decode_base64(lines[2], "malformed_checkpoint"))


def parse_decimal(text: str, code: str) -> int:
    """Read an ASCII decimal below 10**19 without leading zeroes, or raise with `code`."""
    if not _DECIMAL.fullmatch(text):
        raise Unverified(code, "a decimal number was expected")
    return int(text)
