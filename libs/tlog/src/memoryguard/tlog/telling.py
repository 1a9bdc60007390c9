# SPDX-License-Identifier: Apache-2.0
"""What verification found, in sentences: the verdict, the first bad entry, what nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator

from memoryguard.tlog.report import Finding, Report


def tell(report: Report) -> list[str]:
    """Give the lines that a person reads, the verdict first."""
    if report.intact and report.complete:
        verdict = (
            f"intact: {report.size} entries, {report.signed_size} of them under"
            f" {report.checkpoints} signed checkpoints"
        )
        return [verdict, *_limits(report)]
    lines = [tell_finding(finding) for finding in report.findings]
    if report.omitted:
        lines.append(f"and {report.omitted} more")
    lines += [
        f"entry {gap.seen_at}: gap: {gap.missing} events of {gap.source} (life {gap.epoch}) are"
        f" missing before it, from its number {gap.first_missing}"
        for gap in report.gaps
    ]
    lines += [
        f"entry {repeat.sequence}: repeat: number {repeat.counter} of {repeat.source}"
        f" (life {repeat.epoch}) came twice"
        for repeat in report.repeats
    ]
    return ["NOT INTACT", *lines, *_limits(report)]


def tell_finding(finding: Finding) -> str:
    """Say what is wrong, and where."""
    where = f"entry {finding.first}" if finding.first is not None else "beside the entries"
    if finding.last not in (None, finding.first):
        where += f" to {finding.last}"
    return f"{where}: {finding.code}: {finding.message}"


def _limits(report: Report) -> Iterator[str]:
    """Say what could still be wrong without anybody being able to tell."""
    if report.pruned_entries:
        yield f"{report.pruned_entries} entries were pruned: their hashes are what was signed"
    if report.unsigned_entries:
        one = report.unsigned_entries == 1
        yield (
            f"{report.unsigned_entries} {'entry is' if one else 'entries are'} under no checkpoint"
            f" yet: whoever has the database could still rewrite {'it' if one else 'them'}"
            " unnoticed"
        )
    open_to_the_key = report.signed_size - report.anchored_size
    if not report.anchored_size and report.signed_size:
        yield (
            "no checkpoint from elsewhere was met: whoever has the database and the log's key"
            " could have rewritten all of it"
        )
    elif open_to_the_key > 0:
        yield (
            f"{open_to_the_key} more are under no checkpoint that has left the box: whoever has"
            " the database and the log's key could still rewrite them unnoticed"
        )
