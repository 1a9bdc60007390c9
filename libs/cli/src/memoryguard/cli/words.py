# SPDX-License-Identifier: Apache-2.0
"""Names and codes in words, for people who read a terminal."""

from __future__ import annotations

_NAMES = {
    "apoe4 count": "APOE ε4 alleles",
    "apoe4 alleles": "APOE ε4 alleles",
    "moca": "MoCA",
    "mmse": "MMSE",
    "hippocampus z": "hippocampi, z",
    "ventricles z": "ventricles, z",
    "brain z": "brain, z",
    "hippocampus percent per year": "hippocampi, % a year",
    "lateral ventricle left": "lat. ventricle left",
    "lateral ventricle right": "lat. ventricle right",
    "cortex mean": "cortex thickness",
    "hippocampus total mm3": "hippocampi, mm³",
    "intracranial mm3": "intracranial, mm³",
    "age years": "age, years",
    "education years": "education, years",
}


def printable(text: str) -> str:
    """Take out of a stranger's text what would move a terminal's cursor or turn its letters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def words(code: str | None) -> str:
    """Turn a region's name or a reason's code into words."""
    plain = (code or "").replace("_", " ")
    return _NAMES.get(plain, plain)
