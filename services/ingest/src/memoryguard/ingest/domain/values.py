# SPDX-License-Identifier: Apache-2.0
"""Decodes the values of elements: words, numbers, dates. What is not one is not there."""

from __future__ import annotations

import math
import re
import struct
from datetime import date

from memoryguard.ingest.domain import tags
from memoryguard.ingest.domain.elements import Dataset, ascii_text

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")


def words(dataset: Dataset, tag: int) -> tuple[str, ...]:
    """Give the values of a text attribute, without padding; none when it is absent or empty."""
    element = dataset.get(tag)
    if element is None or not element.value:
        return ()
    return tuple(word.strip(" \0") for word in ascii_text(element).split("\\"))


def word(dataset: Dataset, tag: int) -> str:
    """Give the only (or first) value of a text attribute, or an empty string."""
    return next(iter(words(dataset, tag)), "")


def name_text(dataset: Dataset, tag: int) -> str:
    """Decode an identifier: UTF-8 where the file says so (ISO_IR 192), else as Latin-1."""
    element = dataset.get(tag)
    if element is None:
        return ""
    utf8 = "ISO_IR 192" in words(dataset, tags.CHARACTER_SET)
    raw = bytes(element.value)
    return raw.decode("utf-8" if utf8 else "latin-1", errors="backslashreplace").strip(" \0")


def numbers(dataset: Dataset, tag: int) -> tuple[float, ...] | None:
    """Give the values of a numeric attribute.

    Returns
    -------
    tuple of float or None
        None when it is absent, empty, or any value is not a finite number.
    """
    element = dataset.get(tag)
    if element is None or not element.value:
        return None
    vr = tags.VR_OF.get(tag, "UN") if element.vr == "UN" else element.vr
    layout = _BINARY.get(vr)
    if layout is None:
        found = tuple(_decimal(text) for text in words(dataset, tag))
    elif len(element.value) % struct.calcsize(f"<{layout}"):
        return None
    else:
        found = tuple(float(item) for (item,) in struct.iter_unpack(f"<{layout}", element.value))
    return found if all(math.isfinite(item) for item in found) else None


def number(dataset: Dataset, tag: int) -> float | None:
    """Give the first value of a numeric attribute, or None."""
    found = numbers(dataset, tag)
    return found[0] if found else None


def whole(dataset: Dataset, tag: int) -> int | None:
    """Give the first value of a numeric attribute when it is a whole number."""
    found = number(dataset, tag)
    return int(found) if found is not None and found == int(found) else None


def day(dataset: Dataset, tag: int) -> date | None:
    """Give a date (DA, or the beginning of a DT), or None when it is none."""
    match = _DATE.match(word(dataset, tag))
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def item(dataset: Dataset, *path: int) -> Dataset:
    """Follow the first items of nested sequences; an empty data set where there is none."""
    for tag in path:
        element = dataset.get(tag)
        if element is None or not element.items:
            return {}
        dataset = element.items[0]
    return dataset


def _decimal(text: str) -> float:
    return float(text) if _DECIMAL.fullmatch(text) else math.nan
