# SPDX-License-Identifier: Apache-2.0
"""Offline verification of some entries, without reading the others: only tiles stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from memoryguard.tlog.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Frontier,
    frontier_at,
    node_hash,
    root_nodes,
    root_of,
)
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.report import Finding, Report, Run
from memoryguard.tlog.verify import MAX_FINDINGS_PER_CODE, Verification
from memoryguard.tlog.window import StoredNodes, Window, proved_frontier


def verify_range(
    runs: Iterable[Run],
    bounds: tuple[int, int],
    checkpoints: Sequence[str],
    key: VerifierKey,
    *,
    witnessed: Sequence[str] = (),
    sources: Sequence[StoredNodes],
) -> Report:
    """Verify that some entries are those that the newest checkpoint covers.

    Parameters
    ----------
    runs
        The stored entries of the range, in order.
    bounds
        First and last sequence number of the range.
    checkpoints, key, witnessed
        As `verify_runs` takes them.
    sources
        Stored nodes, that of the log first. They stand for all other entries, and must give the
        signed root.

    Returns
    -------
    Report
        Its numbers are those of the range. Numbers of producers are not looked at.
    """
    state = Verification(None)
    state.open(checkpoints, witnessed, key)
    return _verify(state, *_read(runs, *bounds), bounds, sources)


def _verify(
    state: Verification,
    hashes: Sequence[bytes],
    wrong: Sequence[Finding],
    bounds: tuple[int, int],
    sources: Sequence[StoredNodes],
) -> Report:
    size, roots = state.marks[0] if state.marks else (0, set[bytes]())
    first, last = bounds
    covered = hashes[: max(0, size - first)]
    given = (_root(size, first, covered, get) for get in sources)
    intact = bool(covered) and not wrong and any(root in roots for root in given)
    if covered and not wrong and not intact:
        wrong = _explain(size, roots, first, covered, sources)
    anchored = size if size in state.anchors else 0
    return Report(
        size=len(hashes),
        signed_size=min(size, last + 1) if intact else 0,
        checkpoints=int(bool(intact)),
        unsigned_entries=len(hashes) - len(covered),
        unnumbered_entries=0,
        findings=tuple(state.findings),
        omitted=0,
        gaps=(),
        repeats=(),
        anchored_size=min(anchored, last + 1) if intact else 0,
    ).joined(wrong)


def _read(runs: Iterable[Run], first: int, last: int) -> tuple[list[bytes], list[Finding]]:
    """Read the range; what is missing or double in it."""
    hashes, findings = list[bytes](), list[Finding]()
    for run in runs:
        expected = first + len(hashes)
        if run.first < expected:
            message = f"entry {run.first} is there twice"
            findings.append(Finding("duplicate_entry", message, run.first, run.first))
            continue
        if run.first > expected:
            findings.append(_missing(expected, run.first - 1))
            break
        hashes += run.hashes
    if not findings and first + len(hashes) <= last:
        findings.append(_missing(first + len(hashes), last))
    return hashes, findings[:MAX_FINDINGS_PER_CODE]


def _missing(first: int, last: int) -> Finding:
    return Finding("missing_entry", f"entries {first} to {last} are not there", first, last)


def _root(size: int, first: int, hashes: Sequence[bytes], get: StoredNodes) -> bytes | None:
    """Compute the root from the entries of the range and the stored nodes around them."""
    end = first + len(hashes)

    def node(level: int, index: int) -> bytes:
        begin, stop = index << level, (index + 1) << level
        if stop <= first or begin >= end:
            return get(level, index) or b""
        if first <= begin and stop <= end:
            return root_of(hashes[begin - first : stop - first])
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    try:
        return frontier_at(size, node).root
    except ValueError:  # a node that is none, or is not there
        return None


def _explain(
    size: int,
    roots: set[bytes],
    first: int,
    hashes: Sequence[bytes],
    sources: Sequence[StoredNodes],
) -> list[Finding]:
    """Name the entries that proved nodes contradict; else the nodes are at fault, or all of it."""
    last = first + len(hashes) - 1
    ranges = list[tuple[int, int]]()
    for root, get in product(sorted(roots), sources):
        true = proved_frontier(size, root, get)
        if true is not None and not ranges:
            window = Window(_before(first, get))
            window.extend(hashes)
            ranges = list(window.differences(true, sources, MAX_FINDINGS_PER_CODE))
    return [_finding(begin, end, size) for begin, end in ranges or [(first, last)]]


def _finding(first: int, last: int, size: int) -> Finding:
    """Name one entry; where there are more, the tiles that stand for others may be at fault."""
    if first == last:
        message = f"entry {first} is not what was logged"
        return Finding("altered_entry", message, first, last, size)
    message = f"entries or tiles do not give the root that was signed for size {size}"
    return Finding("inconsistent_root", message, first, last, size)


def _before(size: int, get: StoredNodes) -> Frontier:
    """Give the stored frontier before the range; where it is wrong, another node shows it."""
    found = [get(*each) or b"" for each in root_nodes(size)]
    return Frontier(size, tuple(each if len(each) == HASH_BYTES else EMPTY_ROOT for each in found))
