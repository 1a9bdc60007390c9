# SPDX-License-Identifier: Apache-2.0
"""Looks for secrets in bytes, however they are written there."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

CHARACTERS = ("utf-8", "utf-16-le", "utf-16-be")
AROUND = 150
ZEROS = re.compile(rb"\0{64,}")


def needles(secret: str) -> dict[str, bytes]:
    """Every way of writing a secret that is looked for."""
    found: dict[str, bytes] = {}
    for characters in CHARACTERS:
        plain = secret.encode(characters)
        found[characters] = plain
        found[f"hex of {characters}"] = plain.hex().encode()
        found[f"HEX of {characters}"] = plain.hex().upper().encode()
        for shift in range(3):
            found[f"base64 of {characters}, shifted by {shift}"] = _base64(plain, shift)
    found["lower case"] = secret.lower().encode()
    found["upper case"] = secret.upper().encode()
    return found


def _base64(plain: bytes, shift: int) -> bytes:
    """What is certain of the base64 of a text that stands ``shift`` bytes after a multiple of 3."""
    written = base64.b64encode(bytes(shift) + plain)
    first = 0 if shift == 0 else 4
    last = len(written) if (shift + len(plain)) % 3 == 0 else len(written) - 4
    return written[first:last]


def leaks(haystack: bytes, secrets: Iterable[str]) -> dict[str, bytes]:
    """Which secrets lie in bytes and how they are written there, each with what lies around it."""
    dense = ZEROS.sub(bytes(8), haystack)
    found: dict[str, bytes] = {}
    for secret in secrets:
        for form, needle in needles(secret).items():
            if (at := dense.find(needle)) >= 0:
                found[f"{secret} as {form}"] = dense[max(0, at - AROUND) : at + AROUND]
    return found
