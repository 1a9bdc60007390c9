# SPDX-License-Identifier: Apache-2.0
"""Verify a file, whatever it is: an export, a result, a dumped log, or one entry's proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

from memoryguard.tlog.dump import verify_dump
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.export import FHIR, verify_export
from memoryguard.tlog.merkle import HASH_BYTES, leaf_hash
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.proof import MAGIC, EntryProof
from memoryguard.tlog.report import Finding, Report
from memoryguard.tlog.result import verify_result
from memoryguard.tlog.telling import tell, tell_finding

State: TypeAlias = Literal["intact", "pending", "not_intact"]
EXIT_STATUS: Mapping[State, int] = {"intact": 0, "pending": 5, "not_intact": 4}
EXIT_REFUSED = 3

MALFORMED = {
    "malformed_export",
    "malformed_dump",
    "malformed_proof",
    "malformed_result",
    "no_proof",
}
"""Codes of files that prove nothing, since they are something else."""

MAX_DOCUMENT_BYTES = 256 << 20

Key = TypeVar("Key", bound=VerifierKey)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a file.

    Parameters
    ----------
    state
        ``pending``: what it says so far is proved, and some of it was not signed yet.
    lines
        For a person, the verdict first.
    document
        For a program.
    note
        The checkpoint that it all leads to.
    """

    state: State
    lines: Sequence[str]
    document: Mapping[str, Any]
    note: str | None = None


class Refused(Unverified):
    """The file cannot be verified at all: it is none of ours, or something is missing."""


def read_key(kind: type[Key], said: str) -> Key:
    """Read a public key that is given as text, or as the file that it is in.

    Raises
    ------
    Unverified
        ``malformed_key``.
    OSError, UnicodeDecodeError
        If the file cannot be read.
    """
    return kind.parse(said if "+" in said else Path(said).read_text(encoding="utf-8").strip())


def worst(statuses: Iterable[int]) -> int:
    """Give the exit status of several files."""
    return max(statuses, key=(0, 5, EXIT_REFUSED, 4).index)


def verify_file(
    path: Path, key: VerifierKey, *, kept: Sequence[str] = (), entry: Path | None = None
) -> Verdict:
    """Verify a file against the log's public key.

    Parameters
    ----------
    path
        Of the file; what it is shows in its first line.
    key
        The log's public key.
    kept
        Checkpoints from elsewhere; a dumped log must agree with them.
    entry
        The entry that a proof is about, byte for byte; a printed proof (of a report's QR code)
        carries the entry's hash and needs none.

    Raises
    ------
    Refused
        Where the file is none of ours.
    """
    first = _first_line(path)
    try:
        if first.startswith(MAGIC):
            return _proof(path, key, entry)
        if first.startswith(("#", '{"memoryguard_export"', FHIR)):
            return _lined(path, lambda lines: _export(lines, key))
        if first.startswith('{"memoryguard_log"'):
            return _lined(path, lambda lines: told(verify_dump(lines, key, kept)))
        return _result(path, key)
    except Refused:
        raise
    except Unverified as error:
        if error.code in MALFORMED:
            raise Refused(error.code, error.message) from error
        return _failed(error)
    except UnicodeDecodeError as error:
        raise Refused("not_text", "the file is no text in UTF-8") from error


def told(report: Report) -> Verdict:
    """Give the verdict on a whole log."""
    intact = report.intact and report.complete
    return Verdict("intact" if intact else "not_intact", tell(report), document_of(report))


def document_of(report: Report) -> dict[str, Any]:
    """Write a report as plain data."""
    return {
        "intact": report.intact,
        "complete": report.complete,
        "entries": report.size,
        "signed_entries": report.signed_size,
        "anchored_entries": report.anchored_size,
        "pruned_entries": report.pruned_entries,
        "checkpoints": report.checkpoints,
        "unsigned_entries": report.unsigned_entries,
        "findings": [finding_document(each) for each in report.findings],
        "omitted": report.omitted,
        "gaps": [asdict(each) for each in report.gaps],
        "repeats": [asdict(each) for each in report.repeats],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """Write a finding as plain data."""
    return {
        "code": finding.code,
        "message": finding.message,
        "first": finding.first,
        "last": finding.last,
    }


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(4096).decode("utf-8", "replace")
    except OSError as error:
        raise Refused("no_such_file", "the file cannot be read") from error


def _lined(path: Path, verify: Callable[[Any], Verdict]) -> Verdict:
    with path.open(encoding="utf-8", newline="") as lines:
        return verify(lines)


def _export(lines: Any, key: VerifierKey) -> Verdict:
    report = verify_export(lines, key)
    intact = not report.findings
    size = report.checkpoint.size
    say = f"{report.entries} entries are proved under the checkpoint of {size}"
    say += f"; the events of {report.opened} were opened and are those in the log"
    lines_said = [f"intact: {say}"] if intact else ["NOT INTACT"]
    lines_said += [tell_finding(each) for each in report.findings]
    if report.omitted:
        lines_said.append(f"and {report.omitted} more")
    if report.filtered:
        lines_said.append("whether entries were left out of it, nothing in an excerpt can tell")
    if report.unsigned:
        lines_said.append(f"the log had {report.unsigned} more entries that nobody had signed yet")
    document = {
        "intact": intact,
        "entries": report.entries,
        "opened": report.opened,
        "size": size,
        "filtered": report.filtered,
        "unsigned_entries": report.unsigned,
        "findings": [finding_document(each) for each in report.findings],
        "omitted": report.omitted,
    }
    return Verdict("intact" if intact else "not_intact", lines_said, document, report.note)


def _result(path: Path, key: VerifierKey) -> Verdict:
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise Refused("too_large", "the file is too large to be a result")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused("unknown_file", "the file is none of those that can be verified") from error
    report = verify_result(document, key)
    note = cast("Mapping[str, Any]", document)["proof"]["checkpoint"]
    state: State = "intact" if report.complete else "pending"
    size = report.checkpoint.size if report.checkpoint else 0
    lines = [
        f"{state}: {len(report.proven)} values of scan {report.scan_id} are those of"
        f" {len(report.events)} events under the checkpoint of {size}"
    ]
    if report.pending:
        lines.append(f"not signed yet: {', '.join(report.pending)}")
    if report.unproven:
        lines.append(f"nothing vouches for: {', '.join(report.unproven)}")
    told_as = {
        "intact": True,
        "complete": report.complete,
        "scan_id": report.scan_id,
        "size": size,
        "events": [event.sequence for event in report.events],
        "pending": list(report.pending),
        "proven": list(report.proven),
        "unproven": list(report.unproven),
        "findings": [],
    }
    return Verdict(state, lines, told_as, note)


def _proof(path: Path, key: VerifierKey, entry: Path | None) -> Verdict:
    proof = EntryProof.parse(path.read_text(encoding="utf-8"))
    leaf = proof.extra if entry is None else leaf_hash(_entry(entry))
    if len(leaf) != HASH_BYTES:
        raise Refused("no_entry", "a proof is about an entry: name its file too, with --entry")
    checkpoint = proof.verify_hash(leaf, key)
    this = f"the entry {leaf.hex()[:16]}…" if entry is None else "this"
    said = f"intact: {this} is entry {proof.index} of the log under the checkpoint of"
    document = {
        **{"intact": True, "index": proof.index, "size": checkpoint.size},
        **{"leaf": leaf.hex(), "findings": []},
    }
    return Verdict("intact", [f"{said} {checkpoint.size}"], document, proof.checkpoint)


def _entry(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused("no_such_file", "the entry's file cannot be read") from error


def _failed(error: Unverified) -> Verdict:
    finding = Finding(error.code, error.message)
    lines = ["NOT INTACT", f"{error.code}: {error.message}"]
    return Verdict("not_intact", lines, {"intact": False, "findings": [finding_document(finding)]})
