# SPDX-License-Identifier: Apache-2.0
"""``memoryguard report``: a scan's result as a document, written whole or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder, Token, Url, access_to
from memoryguard.client import AsyncClient
from memoryguard.client.documents import Form
from memoryguard.common.errors import Rejected

SUFFIXES: Mapping[Form, str] = {
    "pdf": "pdf",
    "clinician": "clinician.pdf",
    "plain": "plain.pdf",
    "fhir": "fhir.json",
    "csv": "csv",
}


def report(
    imaging_id: str,
    *,
    form: Annotated[
        Form, Parameter("--as", help="PDF by your role, for clinicians or in plain words; or data.")
    ] = "pdf",
    target: Annotated[
        Path, Parameter("--out", help="File, or folder for it: this one by default.")
    ] = Path(),
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Write a scan's result as a document."""
    into = _file(target, imaging_id, form)

    async def fetch() -> None:
        async with AsyncClient(*access_to(home, url, token)) as platform:
            await platform.report(imaging_id, into, form)

    asyncio.run(fetch())
    print(json.dumps({"file": str(into)}) if as_json else into)


def _file(target: Path, imaging_id: str, form: Form) -> Path:
    """Say where a document goes: to a file, or by its own name into a folder.

    Raises
    ------
    Rejected
        ``no_such_folder``.
    """
    into = target / f"{imaging_id}.{SUFFIXES[form]}" if target.is_dir() else target
    if not into.parent.is_dir():
        raise Rejected("no_such_folder", "the folder for the report does not exist")
    return into
