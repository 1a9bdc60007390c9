# SPDX-License-Identifier: Apache-2.0
"""Offline verification of a whole log: is it what was signed, and if not, which entry is wrong?

Nothing in the store is believed. Entries are hashed again and compared with the roots in the
signed checkpoints; stored leaf hashes and nodes only help to name the wrong entry, after they have
proved themselves against a signed root. What is not told apart here: entries after the newest
checkpoint can be replaced unnoticed as long as they agree with themselves, so their number is
reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import Frontier
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.producers import ProducerCounters
from memoryguard.tlog.report import Finding, Report, Run, place_of
from memoryguard.tlog.window import StoredNodes, Window, proved_frontier

MAX_FINDINGS_PER_CODE = 20
"""One tampering may spoil every entry behind it; this many of each kind are listed."""


def verify_runs(
    runs: Iterable[Run],
    checkpoints: Sequence[str],
    key: VerifierKey,
    *,
    witnessed: Sequence[str] = (),
    nodes: StoredNodes | None = None,
    published: StoredNodes | None = None,
    step: int = 1,
) -> Report:
    """Verify a log against its signed checkpoints; its entries are hashed already, run by run.

    Parameters
    ----------
    runs
        All entries, in the order of their sequence numbers; read once, as a stream. Memory is
        needed for the leaf hashes between two checkpoints only.
    checkpoints
        Signed notes of the log, in the order in which they were issued.
    key
        The log's public key, obtained elsewhere than from the log.
    witnessed
        Checkpoints of the log that were kept out of its reach (by a witness, or at the last
        verification), in any order. Without one, a log that was cut back together with its
        checkpoints looks whole.
    nodes
        The stored nodes: ``get(level, index)``, None for one that is not there. They are checked
        too, and narrow a fault down to an entry whose stored hash was rewritten to match.
    published
        The nodes of a copy that was published elsewhere. They help to name an entry where the
        log's own were rewritten, and like these are believed only once they are proved.
    step
        The store keeps nodes of every so-manieth level only: tiles, of every eighth.

    Returns
    -------
    Report
        ``report.intact`` and ``report.complete`` say whether all is well.
    """
    state = Verification(nodes, published, step)
    state.open(checkpoints, witnessed, key)
    state.settle()
    for run in runs:
        state.take(run)
    return state.report()


@dataclass(slots=True)
class Verification:
    """State of one verification. `window` is None where the entries cannot be hashed on."""

    nodes: StoredNodes | None
    published: StoredNodes | None = None
    step: int = 1
    marks: list[tuple[int, set[bytes]]] = field(default_factory=list[tuple[int, set[bytes]]])
    window: Window | None = None
    mismatched: dict[int, bytes] = field(default_factory=dict[int, bytes])
    expected: int = 0
    read: int = 0
    anchors: set[int] = field(default_factory=set[int])
    notes: dict[int, str] = field(default_factory=dict[int, str])
    pruned: int = 0
    unsigned: int = 0
    met: int = 0
    signed_size: int = 0
    largest: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])
    counts: Counter[str] = field(default_factory=Counter[str])
    counters: ProducerCounters = field(default_factory=ProducerCounters)

    def open(self, own: Sequence[str], witnessed: Sequence[str], key: VerifierKey) -> None:
        """Verify the notes themselves, and set a mark at each size that was signed."""
        self.window = Window(Frontier(), self.step)
        issued = self._opened(own, key, "checkpoint")
        kept = self._opened(witnessed, key, "witnessed checkpoint")
        highest = 0
        for each in issued:
            if each.size < highest:
                self._fault("rollback", f"a checkpoint follows a larger one, of {highest}", each)
            highest = max(highest, each.size)
        for each in kept:
            if each.size > highest:
                self._fault("rollback", f"the log's newest checkpoint is of {highest}", each)
        self.anchors = {each.size for each in kept}
        self._mark([*issued, *kept])

    def _opened(self, notes: Sequence[str], key: VerifierKey, what: str) -> list[Checkpoint]:
        opened = list[Checkpoint]()
        for number, note in enumerate(notes, 1):
            try:
                opened.append(open_checkpoint(note, key))
                self.notes[opened[-1].size] = note
            except Unverified as error:
                self._add(Finding(error.code, f"{what} {number}: {error.message}"))
        return opened

    def _mark(self, checkpoints: list[Checkpoint]) -> None:
        roots = dict[int, set[bytes]]()
        for each in checkpoints:
            others = roots.setdefault(each.size, set())
            if others and each.root not in others:
                self._fault("fork", "two different roots were signed for one size", each)
            others.add(each.root)
        self.marks = sorted(roots.items(), reverse=True)  # the next one is the last
        self.largest = max(roots, default=0)
        if not roots:
            self._add(Finding("no_checkpoint", "no valid checkpoint vouches for this log"))

    def take(self, run: Run) -> None:
        """Read a run: its place, its hashes, its producers' numbers."""
        self.pruned += len(run.hashes) if run.pruned else 0
        self.counters.forgotten |= run.pruned
        for at, number in enumerate(run.numbers, run.first):
            self.counters.take(at, number)
        end = run.first + len(run.hashes)
        self.read += len(run.hashes)
        self.unsigned += max(0, end - max(run.first, self.largest))
        here = run.first
        while here < end:
            if here < self.expected:
                message = f"entry {here} is there twice, or out of order"
                self._add(Finding("duplicate_entry", message, here, here))
                here += 1
                continue
            if here > self.expected:
                self._lose(here)
            here = min(end, self.marks[-1][0]) if self.marks else end
            here = max(here, self.expected)
            self._extend(run, self.expected, here)
            self.settle()

    def _extend(self, run: Run, begin: int, end: int) -> None:
        """Take the entries of a run up to a mark."""
        part = slice(begin - run.first, end - run.first)
        hashes, stored = run.hashes[part], run.stored[part]
        if self.window is not None:
            self.window.extend(hashes)
        if hashes != stored:
            self.mismatched |= {
                begin + n: there
                for n, (computed, there) in enumerate(zip(hashes, stored, strict=True))
                if there is not None and there != computed
            }
        self.expected = end

    def _lose(self, here: int) -> None:
        """Go on behind missing entries, without roots until a checkpoint gives the frontier."""
        first, last = self.expected, here - 1
        message = f"entry {first} is missing" + (f", and all to {last}" if last > first else "")
        self._add(Finding("missing_entry", message, first, last))
        self._report_mismatched(None)
        self.window = None
        self.expected = here
        while self.marks and self.marks[-1][0] <= here:
            self.marks.pop()

    def settle(self) -> None:
        """Compare with the checkpoint of the present size, if there is one."""
        if not self.marks or self.marks[-1][0] != self.expected:
            return
        size, roots = self.marks.pop()
        if self.window is None:
            self._report_mismatched(size)
            self._resume(size, roots)
            return
        if self.window.frontier.root not in roots:
            self._explain(self.window, size, roots)
            return
        self._report_hashes(size)
        self.met += 1
        if self.signed_size == self.window.start.size:  # nothing before it was wrong
            self.signed_size = size
        self._restart(self.window)

    def _resume(self, size: int, roots: set[bytes]) -> None:
        """Take the frontier at a signed size from the stored nodes, where they prove it."""
        for root in sorted(roots):
            for nodes in self._sources():
                proved = proved_frontier(size, root, nodes)
                if proved is not None:
                    self.window = Window(proved, self.step)
                    return

    def _sources(self) -> list[StoredNodes]:
        return [each for each in (self.nodes, self.published) if each is not None]

    def _explain(self, window: Window, size: int, roots: set[bytes]) -> None:
        """Name what is wrong in a window that does not give the root that was signed."""
        repaired = window.replaced(self.mismatched)
        if repaired is not None and repaired.frontier.root in roots:
            self._report_mismatched(size)  # the stored hashes are right, so their bytes are not
            self._restart(repaired)
            return
        self.window = None
        self._resume(size, roots)
        if self.window is None:
            self._report_mismatched(size)
            message = f"the entries do not give the root that was signed for size {size}"
            first, last = window.start.size, size - 1
            self._add(Finding("inconsistent_root", message, first, last, size))
            return
        if self._report_differences(window, self.window.start, size):
            self._report_hashes(size)
        self.mismatched.clear()

    def _report_differences(self, window: Window, proved: Frontier, size: int) -> bool:
        """Name the entries that a proved frontier contradicts; say whether that is all of them."""
        limit = MAX_FINDINGS_PER_CODE + 1
        ranges = list(window.differences(proved, self._sources(), limit))
        for first, last in ranges:
            which = f"entry {first}" if first == last else f"one of entries {first} to {last}"
            message = f"{which} is not what was logged"
            self._add(Finding("altered_entry", message, first, last, size))
            for sequence in range(first, last + 1):
                self.mismatched.pop(sequence, None)
        return len(ranges) < limit

    def _restart(self, window: Window) -> None:
        """Begin a new window behind a proved one, whose stored nodes are checked."""
        self._check_nodes(window, window.size)
        self.window = Window(window.frontier, self.step)
        self.mismatched.clear()

    def _check_nodes(self, window: Window, size: int | None) -> None:
        if self.nodes is None:
            return
        for level, index, value in window.nodes:
            if self.nodes(level, index) != value:
                first, last = index << level, ((index + 1) << level) - 1
                message = f"the stored node {index} of level {level} is wrong or missing"
                self._add(Finding("altered_node", message, first, last, size))

    def _report_mismatched(self, size: int | None) -> None:
        for sequence in self.mismatched:
            message = f"entry {sequence} does not match its stored hash"
            self._add(Finding("altered_entry", message, sequence, sequence, size))
        self.mismatched.clear()

    def _report_hashes(self, size: int) -> None:
        for sequence in self.mismatched:
            message = f"entry {sequence} is what was logged, but its stored hash is not its own"
            self._add(Finding("altered_hash", message, sequence, sequence, size))
        self.mismatched.clear()

    def _fault(self, code: str, message: str, checkpoint: Checkpoint) -> None:
        self._add(Finding(code, message, checkpoint_size=checkpoint.size))

    def _add(self, finding: Finding) -> None:
        self.counts[finding.code] += 1
        if self.counts[finding.code] <= MAX_FINDINGS_PER_CODE:
            self.findings.append(finding)

    def report(self) -> Report:
        """Close the reading: what is cut off, and what nothing vouches for."""
        if self.largest > self.expected:
            message = f"the log ends after {self.expected} entries, {self.largest} were signed"
            first, last = self.expected, self.largest - 1
            self._add(Finding("truncated", message, first, last, self.largest))
            self._explain_cut()
        self._close_tail()
        return Report(
            size=self.read,
            pruned_entries=self.pruned,
            newest=self.notes.get(self.signed_size),
            anchored_size=max((n for n in self.anchors if n <= self.signed_size), default=0),
            signed_size=self.signed_size,
            checkpoints=self.met,
            unsigned_entries=self.unsigned,
            unnumbered_entries=self.counters.unnumbered,
            findings=tuple(sorted(self.findings, key=place_of)),
            omitted=self.counts.total() - len(self.findings),
            gaps=tuple(self.counters.gaps()),
            repeats=tuple(self.counters.repeats),
        )

    def _explain_cut(self) -> None:
        """Compare the entries before a cut, whose checkpoint cannot be met, with proved nodes."""
        window, (size, roots) = self.window, self.marks[0]
        self.window = None
        self._resume(size, roots)
        if window is not None and self.window is not None:
            self._report_differences(window, self.window.start, size)
        self.window = None

    def _close_tail(self) -> None:
        if self.window is not None and not self.mismatched:
            self._check_nodes(self.window, None)
        self._report_mismatched(None)
