# SPDX-License-Identifier: Apache-2.0
"""Entries as CSV (RFC 4180) that a spreadsheet opens without running anything in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memoryguard.audit.domain.plain import FIELDS, Exported, header, text, texts

COLUMNS = (*FIELDS, "entry", "opening", "proof")

STARTS_A_FORMULA = "=+-@\t\r"
"""What a spreadsheet may take for a formula when a field begins with it (OWASP, CSV injection)."""


def head() -> str:
    """Write the line with the columns' names."""
    return _record(COLUMNS)


def row(exported: Exported) -> str:
    """Write an entry; the hashes of its proof stand in one field, separated by spaces.

    What an entry is found by is guarded by an apostrophe. Leaf, key and proof are base64 that
    nobody chooses, and stay as a verifier reads them.
    """
    shown = header(exported.sequence, exported.entry)
    opening = "" if exported.opening is None else text(exported.opening)
    proof = " ".join(texts(exported.proof))
    guarded = [_guarded(shown[name]) for name in FIELDS]
    return _record([*guarded, text(exported.entry.leaf()), opening, proof])


def _record(fields: Sequence[str]) -> str:
    return ",".join(_field(written) for written in fields) + "\r\n"


def _guarded(value: Any) -> str:
    written = "" if value is None else str(value)
    return f"'{written}" if written.startswith(tuple(STARTS_A_FORMULA)) else written


def _field(written: str) -> str:
    """Write one field, in quotes where it has to be."""
    if any(letter in written for letter in ',"\r\n'):
        return '"' + written.replace('"', '""') + '"'
    return written
