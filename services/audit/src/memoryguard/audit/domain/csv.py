# SPDX-License-Identifier: Apache-2.0
"""Entries as CSV (RFC 4180) that a spreadsheet opens without running anything in it."""

from __future__ import annotations

from collections.abc import Sequence

from memoryguard.tlog.exported import FIELDS, Exported, guarded, shown, texts
from memoryguard.tlog.note import encode_base64

COLUMNS = (*FIELDS, "entry", "opening", "proof")


def head() -> str:
    """Write the line with the columns' names."""
    return _record(COLUMNS)


def row(exported: Exported) -> str:
    """Write an entry; the hashes of its proof stand in one field, separated by spaces.

    What an entry is found by is guarded by an apostrophe. Leaf, key and proof are base64 that
    nobody chooses, and stay as a verifier reads them.
    """
    found = shown(exported.sequence, exported.entry)
    opening = "" if exported.opening is None else encode_base64(exported.opening)
    proof = " ".join(texts(exported.proof))
    shielded = [guarded(found[name]) for name in FIELDS]
    return _record([*shielded, encode_base64(exported.entry.leaf()), opening, proof])


def _record(fields: Sequence[str]) -> str:
    return ",".join(_field(written) for written in fields) + "\r\n"


def _field(written: str) -> str:
    """Write one field, in quotes where it has to be."""
    if any(letter in written for letter in ',"\r\n'):
        return '"' + written.replace('"', '""') + '"'
    return written
