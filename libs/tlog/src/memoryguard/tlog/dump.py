# SPDX-License-Identifier: Apache-2.0
r"""A whole log as a file, which is verified without its database.

JSON Lines: first ``{"memoryguard_log": 1, "checkpoints": [note, …]}``, the smallest first; then for
each entry ``{"sequence": n, "entry": base64 of the leaf}``, and for each tile of entries that were
pruned ``{"sequence": n, "pruned": base64 of 256 hashes}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from memoryguard.tlog.entry import Entry, Number
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.merkle import HASH_BYTES, leaf_hash
from memoryguard.tlog.note import VerifierKey, decode_base64, encode_base64
from memoryguard.tlog.report import Report, Run
from memoryguard.tlog.verify import verify_runs

VERSION = 1


def dump_header(checkpoints: Sequence[str]) -> str:
    """Write the first line."""
    return _line({"memoryguard_log": VERSION, "checkpoints": list(checkpoints)})


def dump_entry(sequence: int, leaf: bytes) -> str:
    """Write the line of an entry."""
    return _line({"sequence": sequence, "entry": encode_base64(leaf)})


def dump_pruned(sequence: int, hashes: bytes) -> str:
    """Write the line of entries that are gone, of which the hashes are left."""
    return _line({"sequence": sequence, "pruned": encode_base64(hashes)})


def verify_dump(lines: Iterable[str], key: VerifierKey, kept: Sequence[str] = ()) -> Report:
    """Verify a dumped log; `kept` are checkpoints from elsewhere.

    Raises
    ------
    Unverified
        ``malformed_dump``.
    """
    rest = iter(lines)
    header = _read(next(rest, ""))
    notes = header.get("checkpoints")
    if header.get("memoryguard_log") != VERSION or not isinstance(notes, list):
        raise _malformed()
    own = [str(note) for note in cast("list[object]", notes)]
    return verify_runs(map(_run_of, _rows(rest)), own, key, witnessed=kept)


def _rows(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    return (_read(line) for line in lines)


def _run_of(row: Mapping[str, Any]) -> Run:
    sequence, leaf, hashes = row.get("sequence"), row.get("entry"), row.get("pruned")
    if type(sequence) is not int:
        raise _malformed()
    if isinstance(leaf, str):
        body = decode_base64(leaf, "malformed_dump")
        return Run(sequence, [leaf_hash(body)], [None], [_number_of(body)])
    if not isinstance(hashes, str):
        raise _malformed()
    row_of = decode_base64(hashes, "malformed_dump")
    parts = [row_of[at : at + HASH_BYTES] for at in range(0, len(row_of), HASH_BYTES)]
    if not parts or len(parts[-1]) != HASH_BYTES:
        raise _malformed()
    return Run(sequence, parts, parts, pruned=True)


def _number_of(leaf: bytes) -> Number | None:
    try:
        return Entry.parse(leaf).number
    except Unverified:  # then the root is another than the one that was signed
        return None


def _read(line: str) -> Mapping[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(document, dict):
        raise _malformed()
    return cast("dict[str, Any]", document)


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def _malformed() -> Unverified:
    return Unverified("malformed_dump", "this is not a dumped log, or of an unknown version")
