# SPDX-License-Identifier: Apache-2.0
"""What the verifier reads, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from memoryguard.tlog.entry import Number
from memoryguard.tlog.producers import Gap, Repeat


@dataclass(frozen=True, slots=True)
class Run:
    """Entries that follow each other, as the verifier needs them.

    Parameters
    ----------
    first
        Sequence number of the first.
    hashes
        Leaf hashes, computed from what is stored.
    stored
        The stored leaf hashes; None where a store keeps none.
    numbers
        The producers' numbers that they carry.
    pruned
        The entries are gone by right; `hashes` are those that are stored.
    """

    first: int
    hashes: Sequence[bytes]
    stored: Sequence[bytes | None]
    numbers: Sequence[Number | None] = ()
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    code
        ``altered_entry``, ``altered_hash``, ``altered_node``, ``missing_entry``,
        ``duplicate_entry``, ``inconsistent_root``, ``truncated``, ``rollback``, ``fork``,
        ``no_checkpoint``, or why a checkpoint was refused: ``bad_signature``, ``unknown_key``,
        ``malformed_note``, ``malformed_checkpoint``, ``other_origin``. Of what lies beside the
        entries: ``altered_index`` (the log would take an event twice, or not at all),
        ``altered_head``, ``altered_tile``, ``altered_checkpoint``, ``missing_checkpoint``,
        ``altered_pruning``, ``unreadable_log``. Where witnesses are asked for:
        ``not_witnessed``, ``stalled``.
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
        Entries read; those that are pruned count as read, by their hashes.
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
    pruned_entries
        Entries that are gone by right: their hashes are left.
    anchored_size
        As `signed_size`, counting only checkpoints that were kept out of the log's reach. What lies
        behind it, whoever owns the database *and* the log's key can still rewrite unnoticed.
    newest
        The checkpoint of `signed_size`, as it was signed.
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
    pruned_entries: int = 0
    anchored_size: int = 0
    newest: str | None = None

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

    def joined(self, findings: Iterable[Finding]) -> Report:
        """Return the report with what was found elsewhere."""
        return replace(self, findings=tuple(sorted([*self.findings, *findings], key=place_of)))


_LAST: Mapping[str, int] = {"altered_node": 1, "altered_index": 2, "altered_tile": 2}


def place_of(finding: Finding) -> tuple[int, int, int]:
    """Sort by where the first wrong entry lies at the latest, then what is beside the entries."""
    if finding.first is None or finding.last is None:
        return 3, finding.checkpoint_size or 0, 0
    certain = finding.code in {"missing_entry", "truncated"}  # the whole range is at fault
    latest = finding.first if certain else finding.last
    return _LAST.get(finding.code, 0), latest, finding.first
