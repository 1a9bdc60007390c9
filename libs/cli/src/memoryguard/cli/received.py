# SPDX-License-Identifier: Apache-2.0
"""Show what became of an upload: a document in, lines to print out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from rich.text import Text

from memoryguard.cli.words import printable, words

Document: TypeAlias = Mapping[str, Any]

SHOWN_FILES = 5


def received(answer: Document) -> Iterator[Text]:
    """Scans, series that are none, and files that were not taken, with what to do about them.

    Parameters
    ----------
    answer
        Of the platform to an upload; that of a refused one names no scans.
    """
    for scan in answer.get("scans", []):
        yield Text(f"taken in as {scan['imaging_id']} ({scan['instances']} images)", "bold")
    for series in answer.get("series", []):
        if series["state"] != "announced":
            of = f"a series of {series.get('images', 0)} images"
            yield Text(f"{of}: {_state(series)}", "yellow")
    if counts := answer.get("counts"):
        yield Text("files: " + ", ".join(f"{n} {words(state)}" for state, n in counts.items()))
    told = sorted((file for file in answer.get("files", []) if file.get("code")), key=_code)
    for _, files in groupby(told, key=_code):
        yield _files(list(files))


def _code(file: Document) -> str:
    return str(file["code"])


def _files(files: Sequence[Document]) -> Text:
    """Name the first files of one reason."""
    names = ", ".join(printable(file["name"]) for file in files[:SHOWN_FILES])
    more = f" and {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
    return Text(f"  {names}{more}: {_state(files[0])}", "yellow")


def _state(of: Document) -> str:
    """State, code, sentence, and what to do."""
    hint = f" ({of['hint']})" if of.get("hint") else ""
    why = f": {of['code']}: {of.get('message', '')}{hint}" if of.get("code") else ""
    return words(of["state"]) + why
