# SPDX-License-Identifier: Apache-2.0
"""Proof files (C2SP tlog-proof): one entry's inclusion proof and the checkpoint it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint, parse_decimal
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from memoryguard.tlog.note import VerifierKey, decode_base64, encode_base64

MAGIC = "c2sp.org/tlog-proof@v1"

MAX_HASHES = 63
"""No inclusion proof is longer: sizes stay below 2**63."""


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That one entry is in the log, in a form that needs nothing but the log's public key.

    Parameters
    ----------
    index
        Sequence number of the entry, from 0.
    hashes
        Inclusion proof, from the leaf's sibling up.
    checkpoint
        The signed note, verbatim.
    extra
        What the format lets stand beside the proof; ours, where it is printed, is the hash of the
        entry. Nothing authenticates it but `verify_hash`.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def __str__(self) -> str:
        lines = [MAGIC]
        lines += [f"extra {encode_base64(self.extra)}"] if self.extra else []
        lines += [f"index {self.index}"]
        lines += [encode_base64(each) for each in self.hashes]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> EntryProof:
        """Read a proof file, verifying nothing yet.

        Raises
        ------
        Unverified
            ``malformed_proof``.
        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines.pop(0) != MAGIC:
            raise Unverified("malformed_proof", "this is not a log proof")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "), "malformed_proof")
        if not lines or not lines[0].startswith("index ") or len(lines) > 1 + MAX_HASHES:
            raise Unverified("malformed_proof", "the proof has no index or too many hashes")
        index = parse_decimal(lines.pop(0).removeprefix("index "), "malformed_proof")
        hashes = tuple(decode_base64(line, "malformed_proof") for line in lines)
        if any(len(each) != HASH_BYTES for each in hashes):
            raise Unverified("malformed_proof", "a hash is not 32 bytes long")
        return cls(index, hashes, checkpoint, extra)

    def verify(self, entry: bytes, key: VerifierKey) -> Checkpoint:
        """Check that `entry`, byte for byte, is in the log that `key` signs for.

        Returns
        -------
        Checkpoint
            The checkpoint under which it is.

        Raises
        ------
        Unverified
            The codes of `open_checkpoint` and `verify_inclusion`.
        """
        return self.verify_hash(leaf_hash(entry), key)

    def verify_hash(self, leaf: bytes, key: VerifierKey) -> Checkpoint:
        """Check that an entry of this hash is in the log, as `verify` does."""
        checkpoint = open_checkpoint(self.checkpoint, key)
        verify_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint
