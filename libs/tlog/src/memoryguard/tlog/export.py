# SPDX-License-Identifier: Apache-2.0
"""Offline verification of an export of entries: every line against its own proof.

An export (JSON Lines or CSV) begins with a header, which names the checkpoint that all proofs lead
to; one of FHIR AuditEvents has no header, and each resource carries its whole proof. Whatever
stands beside an entry, a whole resource too, is written once more from the entry and compared.
Nothing proves that an export holds every entry that its filters let through, except where it says
that it holds the whole log.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from memoryguard.tlog import fhir
from memoryguard.tlog.checkpoint import Checkpoint, open_checkpoint
from memoryguard.tlog.entry import Entry
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.exported import Exported, guarded, shown, texts
from memoryguard.tlog.merkle import leaf_hash, verify_inclusion
from memoryguard.tlog.note import VerifierKey, decode_base64
from memoryguard.tlog.proof import EntryProof
from memoryguard.tlog.report import Finding

VERSION = 1
FHIR = '{"resourceType"'
"""How a line of a FHIR export begins."""

MAX_FINDINGS = 20
MAX_FIELD_CHARACTERS = 16 << 20

_PROVES = {"sequence", "entry", "opening", "proof", "event", "resource"}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What holds of an export.

    Parameters
    ----------
    entries
        Lines that are proved.
    opened
        Those of them whose event was opened, and is the one that is shown.
    checkpoint, note
        What the proofs lead to, and as it was signed.
    filtered
        Whether the export holds some entries only; which are left out, nothing tells.
    unsigned
        Entries that the log had behind the checkpoint, as the header says.
    findings
        What is wrong, in the order of the export.
    omitted
        Further findings.
    """

    entries: int
    opened: int
    checkpoint: Checkpoint
    note: str
    filtered: bool
    unsigned: int
    findings: tuple[Finding, ...]
    omitted: int


def verify_export(lines: Iterable[str], key: VerifierKey) -> ExportReport:
    """Verify an export, whose lines are read once.

    Raises
    ------
    Unverified
        ``malformed_export``, or the codes of `open_checkpoint` of the header's checkpoint.
    """
    rest = iter(lines)
    first = next(rest, "")
    header = read_header(first)
    note = str(header.get("checkpoint"))
    checkpoint = open_checkpoint(note, key)
    if first.startswith(FHIR):
        rows = _fhir_rows(chain([first], rest), note)
    else:
        rows = _csv_rows(rest) if first.startswith("#") else _json_rows(rest)
    proved, opened, findings = set[int](), 0, list[Finding]()
    for row in rows:
        sequence = _sequence(row)
        try:
            entry, proof = _proved(row, sequence, checkpoint)
            opened += _compared(row, sequence, entry, proof, note)
            if sequence in proved:
                raise Unverified("duplicate_entry", "the export holds it twice")
            proved.add(sequence)
        except Unverified as error:
            message = f"entry {sequence}: {error.message}"
            findings.append(Finding(error.code, message, sequence, sequence, checkpoint.size))
    filtered = bool(header.get("filters")) or header.get("complete") is not True
    if not filtered and not findings and len(proved) < checkpoint.size:
        missing = next(n for n in range(checkpoint.size) if n not in proved)
        message = f"the export says that it holds the whole log; entry {missing} is not there"
        findings.append(Finding("missing_entry", message, missing, missing, checkpoint.size))
    unsigned = header.get("entries_unsigned")
    return ExportReport(
        entries=len(proved),
        opened=opened,
        checkpoint=checkpoint,
        note=note,
        filtered=filtered,
        unsigned=unsigned if type(unsigned) is int else 0,
        findings=tuple(findings[:MAX_FINDINGS]),
        omitted=len(findings[MAX_FINDINGS:]),
    )


def read_header(line: str) -> Mapping[str, Any]:
    """Read an export's first line.

    Raises
    ------
    Unverified
        ``malformed_export``.
    """
    header = _object(line.removeprefix("#"))
    if line.startswith(FHIR):
        return {"checkpoint": _fhir_proof(header).checkpoint}
    if header.get("memoryguard_export") != VERSION:
        raise _malformed("this is not an export of ours, or of a version that is not known here")
    return header


def _object(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_named_once)
    except (ValueError, RecursionError) as error:
        raise _malformed("a line of the export is no JSON, or names something twice") from error
    if not isinstance(document, dict):
        raise _malformed("a line of the export is no JSON object")
    return cast("dict[str, Any]", document)


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Read an object whose names differ: of two of them, another reader may take the other."""
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError
    return named


def _json_rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        row = _object(line)
        yield {"opening": None, "event": None, **row}


def _csv_rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    reader = csv.reader(lines, strict=True)
    try:
        names = next(reader, [])
        for values in reader:
            if len(values) != len(names):
                raise _malformed("a line of the export has another number of fields")
            row = dict(zip(names, values, strict=True))
            yield {**row, "proof": row.get("proof", "").split(), "opening": row["opening"] or None}
    except (csv.Error, KeyError) as error:
        raise _malformed("the export is no CSV of ours") from error


def _fhir_rows(lines: Iterable[str], note: str) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        resource = _object(line)
        proof = _fhir_proof(resource)
        if proof.checkpoint != note:
            raise _malformed("the export's resources lead to several checkpoints")
        if _extension(resource, fhir.FORM) != fhir.VERSION:
            raise _malformed("a resource is of a form that this version does not know")
        yield {
            "sequence": proof.index,
            "entry": _extension(resource, fhir.ENTRY),
            "opening": _extension(resource, fhir.OPENING),
            "proof": texts(proof.hashes),
            "resource": resource,
        }


def _fhir_proof(resource: Mapping[str, Any]) -> EntryProof:
    return EntryProof.parse(_extension(resource, fhir.PROOF) or "")


def _extension(resource: Mapping[str, Any], url: str) -> str | None:
    """Read one of our extensions of a resource."""
    given = resource.get("extension")
    for each in cast("list[object]", given) if isinstance(given, list) else []:
        extension = cast("dict[str, object]", each) if isinstance(each, dict) else {}
        if extension.get("url") == url:
            value = extension.get("valueBase64Binary", extension.get("valueString"))
            return value if isinstance(value, str) else None
    return None


def _sequence(row: Mapping[str, Any]) -> int:
    said = row.get("sequence")
    if type(said) is int:
        return said
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 20:
        return int(said)
    raise _malformed("a line of the export has no sequence number")


def _proved(
    row: Mapping[str, Any], sequence: int, checkpoint: Checkpoint
) -> tuple[Entry, tuple[bytes, ...]]:
    """Check that the line's entry is in the log; the entry, and the hashes that prove it."""
    hashes = row.get("proof")
    if not isinstance(hashes, list) or not isinstance(row.get("entry"), str):
        raise Unverified("malformed_export", "it has no entry or no proof")
    proof = [decode_base64(str(h), "malformed_export") for h in cast("list[object]", hashes)]
    leaf = decode_base64(row["entry"], "malformed_export")
    verify_inclusion(sequence, checkpoint.size, leaf_hash(leaf), proof, checkpoint.root)
    return Entry.parse(leaf), tuple(proof)


def _compared(
    row: Mapping[str, Any], sequence: int, entry: Entry, proof: tuple[bytes, ...], note: str
) -> bool:
    """Check that what the line shows is what the entry says; whether its event was opened."""
    expected = shown(sequence, entry)
    as_text = isinstance(row["sequence"], str)
    for name, value in row.items():
        if name in _PROVES:
            continue
        if name not in expected:
            raise Unverified("unproven_value", "a column is none of the log's")
        if value != (guarded(expected[name]) if as_text else expected[name]):
            raise Unverified("changed_value", f"{name} is not what the log says")
    opening = row["opening"]
    key = None if opening is None else decode_base64(str(opening), "malformed_export")
    exported = Exported(sequence, entry, key, proof, entry.event(key))
    said = row.get("event")
    if said is not None and exported.parsed() != said:
        raise Unverified("changed_value", "the event that is shown is not the one in the log")
    if "resource" in row:
        _same(row["resource"], fhir.audit_event(exported, note))
    return exported.event is not None


def _same(resource: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that a resource is the one that its entry gives, element by element."""
    for name in dict.fromkeys((*expected, *resource)):
        there = name in resource and name in expected
        # As text: 1 and true are equal to Python.
        if not there or _written(resource[name]) != _written(expected[name]):
            raise Unverified("changed_value", f"{name} is not what the log says")


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _malformed(message: str) -> Unverified:
    return Unverified("malformed_export", message)
