# SPDX-License-Identifier: Apache-2.0
"""``memoryguard audit review`` and ``ledger``: what the log answers to officers and to people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder, Token, Url, access_to
from memoryguard.cli.words import printable
from memoryguard.client import AsyncClient
from memoryguard.client.wire import Document

Conclusion: TypeAlias = Literal["nothing_unusual", "followed_up", "incident_opened"]
Moment: TypeAlias = str | None

out = Console()


def review(
    *,
    since: Annotated[Moment, Parameter("--from", help="2026-03-01T00:00:00Z and the like.")] = None,
    until: Annotated[Moment, Parameter("--to", help="The end; last midnight by default.")] = None,
    sign: Annotated[
        Conclusion | None, Parameter(help="Sign the report off, as it is shown now.")
    ] = None,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Report what a period's log shows: broken glass, refusals, unusual volume (compliance)."""

    async def run() -> tuple[Document, Document | None]:
        async with AsyncClient(*access_to(home, url, token, ["compliance"])) as platform:
            answer = await platform.review(since, until)
            if sign is None:
                return answer, None
            signed = await platform.sign_review(answer["report"], answer["report_sha256"], sign)
            return answer, signed

    answer, signed = asyncio.run(run())
    if json:
        print(dumps(answer if signed is None else answer | signed))
        return
    for line in reported(answer["report"]):
        out.print(line, soft_wrap=True)
    out.print(f"report {answer['report_sha256']}", highlight=False, soft_wrap=True)
    if signed is not None:
        out.print(f"signed off: {sign} (event {signed['signed']})", highlight=False)


def reported(report: Mapping[str, Any]) -> Iterator[Text]:
    """Say what a report found, line by line."""
    found = report["findings"]
    yield Text(f"{report['from']} to {report['to']}")
    yield Text(f"glass broken: {found['break_glass']}, looks: {found['break_glass_reads']}")
    for each in report["break_glass"]["overrides"]:
        yield Text(f"  {printable(each['actor'] or '?')}, {each['reason']}, {each['at']}")
    yield Text(f"refusals: {found['denials']}, bursts: {found['denial_bursts']}")
    for each in report["denials"]:
        burst = f", {each['burst']['count']} at once" if each["burst"] else ""
        yield Text(f"  {printable(each['actor'] or '?')}: {each['count']} × {each['code']}{burst}")
    judged = f"not judged for lack of others: {found['volumes_not_judged']}"
    yield Text(f"unusual volume: {found['unusual_volumes']}; {judged}")
    for each in report["volumes"]:
        if each["unusual"]:
            yield Text(f"  {printable(each['actor'])}: {each['people']} people")
    for part in ("deliveries", "operations"):
        yield Text(f"{part}: {found[part]}")
        for each in report[part]:
            actor = printable(each["actor"] or "the platform")
            yield Text(f"  {each['count']} × {printable(each['action'])}, {actor}")
    if report["incomplete"]:
        yield Text(f"too much to look at all of it: {', '.join(report['incomplete'])}")


def ledger(
    *,
    user: Annotated[str, Parameter(help="Whose, where the token is one of --home.")] = "local",
    limit: Annotated[int, Parameter(help="How many entries, the newest.")] = 50,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Show who has looked at your own data, when and what for."""

    async def run() -> Document:
        async with AsyncClient(*access_to(home, url, token, ["patient"], user)) as platform:
            return await platform.ledger(limit)

    answer = asyncio.run(run())
    print(dumps(answer)) if json else out.print(looks(answer["entries"]))


def looks(entries: Sequence[Mapping[str, Any]]) -> Table | Text:
    """Lay out a ledger."""
    if not entries:
        return Text("nobody has looked at your data")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("when", "who", "what", "what for, by what"):
        table.add_column(name, overflow="fold")
    for each in entries:
        who = "you" if each["by_yourself"] else printable(each["by"] or "?")
        why = ", ".join(str(each[name]) for name in ("purpose", "basis", "code") if each[name])
        what = f"{each['what'].replace('_', ' ')}: {printable(each['action'])}"
        table.add_row(Text(f"{each['at'] or '?':.16}"), Text(who), Text(what), Text(why))
    return table
