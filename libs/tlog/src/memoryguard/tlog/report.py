# SPDX-License-Identifier: Apache-2.0
"""What the verifier reads, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

from memoryguard.tlog.producers import Gap, Repeat


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored entry of the log.

    Parameters
    ----------
    sequence
        Its number, dense from 0.
    leaf
        The bytes that the tree covers, as they follow from what is stored.
    hash
        The stored leaf hash.
    number
        The producer's number that it carries: ``(source, epoch, counter)``.
    """

    sequence: int
    leaf: bytes
    hash: bytes | None
    number: tuple[str, str, int] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    code
        ``altered_entry``, ``altered_hash``, ``altered_node``, ``missing_entry``,
        ``duplicate_entry``, ``inconsistent_root``, ``truncated``, ``rollback``, ``fork``,
        ``no_checkpoint``, or why a checkpoint was refused: ``bad_signature``, ``unknown_key``,
        ``malformed_note``, ``malformed_checkpoint``, ``other_origin``. Where witnesses are asked
        for: ``not_witnessed``, ``stalled``.
    message
        A sentence for a person, without content of any entry.
    first, last
        The smallest range of sequence numbers that is proved to hold the fault; None where the
        fault lies in a checkpoint.
    checkpoint_size
        Size of the checkpoint that proves it, or that is at fault; None where there is none.
    """

    code: str
    message: str
    first: int | None = None
    last: int | None = None
    checkpoint_size: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found.

    Parameters
    ----------
    size
        Entries read.
    signed_size
        Size up to which the entries are exactly those that were signed: that of the largest
        checkpoint that the entries meet, with all smaller ones.
    checkpoints
        How many checkpoints the entries meet.
    unsigned_entries
        Entries read behind the largest checkpoint: nothing vouches for them yet.
    unnumbered_entries
        Entries that carry no producer's number.
    findings
        What is wrong with the log, the first bad entry first.
    omitted
        Further findings that are not listed; there may be more that were not looked for.
    gaps, repeats
        Producers' events that are missing, or numbered twice. While a log is being written, a gap
        may be an event that is still on its way.
    """

    size: int
    signed_size: int
    checkpoints: int
    unsigned_entries: int
    unnumbered_entries: int
    findings: tuple[Finding, ...]
    omitted: int
    gaps: tuple[Gap, ...]
    repeats: tuple[Repeat, ...]

    @property
    def intact(self) -> bool:
        """Whether the log is what was signed."""
        return not self.findings

    @property
    def complete(self) -> bool:
        """Whether every event that a producer numbered is in the log, once."""
        return not self.gaps and not self.repeats

    @property
    def first(self) -> Finding | None:
        """The finding that names the first bad entry, if any."""
        return self.findings[0] if self.findings else None
