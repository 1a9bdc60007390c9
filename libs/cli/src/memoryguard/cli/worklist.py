# SPDX-License-Identifier: Apache-2.0
"""``memoryguard worklist``: scans of patients whom nobody has linked to an account yet.

Names and numbers come out of strangers' files: they are shown without what would move a cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from json import dumps
from typing import Annotated, Any, TypeAlias

from cyclopts import App, Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder, Token, Url, access_to
from memoryguard.cli.received import received
from memoryguard.cli.words import printable
from memoryguard.client import AsyncClient
from memoryguard.client.wire import Document

DATE_LETTERS = 8

Patient: TypeAlias = Annotated[str, Parameter(help="As the list names them.")]

app = App(name="worklist", help="Scans of patients whom nobody knows yet (role clinician).")
out = Console()


@app.command(name="list")
def listed(
    *, url: Url = None, token: Token = None, home: HomeFolder = DEFAULT_HOME, json: AsJson = False
) -> None:
    """Show who waits, those who wait longest first."""

    async def run() -> Document:
        async with AsyncClient(*access_to(home, url, token)) as platform:
            return await platform.worklist()

    answer = asyncio.run(run())
    if json:
        print(dumps(answer))
    else:
        out.print(waiting(answer["items"]))


@app.command
def link(
    patient: Patient,
    user: Annotated[str, Parameter(help="Account whose scans they are.")],
    *,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Say whose a patient's number is, from now on: what waits under it becomes their scans."""

    async def run() -> Document:
        async with AsyncClient(*access_to(home, url, token)) as platform:
            return await platform.link_patient(patient, user)

    answer = asyncio.run(run())
    if json:
        print(dumps(answer))
        return
    for line in (Text(f"linked to {printable(user)}"), *received(answer)):
        out.print(line, soft_wrap=True)


@app.command
def discard(
    patient: Patient,
    *,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Forget what waits under a number, as when it came by mistake. It can be sent again."""

    async def run() -> Document:
        async with AsyncClient(*access_to(home, url, token)) as platform:
            return await platform.discard_patient(patient)

    answer = asyncio.run(run())
    print(dumps(answer) if json else f"forgotten: {answer['discarded']} series")


def waiting(items: Sequence[Mapping[str, Any]]) -> Table | Text:
    """Lay out who waits, in 80 columns.

    Parameters
    ----------
    items
        Of the platform's worklist.
    """
    if not items:
        return Text("nobody waits")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("patient", no_wrap=True)
    table.add_column("who it is, by the files", overflow="fold")
    table.add_column("images, since", no_wrap=True)
    for item in items:
        what = f"{item['images']} images\n{item['arrived_at']:.10}"
        table.add_row(Text(item["patient"]), _who(item), Text(what))
    return table


def _who(item: Mapping[str, Any]) -> Text:
    identity = item["identity"]
    told = (
        ("", identity["patient_name"]),
        ("number ", identity["patient_id"]),
        ("issuer ", identity["issuer_of_patient_id"]),
        ("born ", _date(identity["patient_birth_date"])),
        ("scanned ", _date(identity["study_date"])),
        ("unconfirmed: ", item["claimed_by"]),
    )
    return Text("\n".join(what + printable(text) for what, text in told if text))


def _date(written: str) -> str:
    """Write DICOM's date with hyphens."""
    if len(written) != DATE_LETTERS:
        return written
    return f"{written[:4]}-{written[4:6]}-{written[6:]}"
