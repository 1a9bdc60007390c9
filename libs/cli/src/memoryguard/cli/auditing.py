# SPDX-License-Identifier: Apache-2.0
"""``memoryguard audit``: verify the log, write it to a file, prune what is old enough."""

from __future__ import annotations

import asyncio
import json as plain
from typing import Annotated, Any, TypeAlias

from cyclopts import App, Parameter
from rich.console import Console

from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder
from memoryguard.cli.home import Home
from memoryguard.cli.prune import prune as drop
from memoryguard.cli.replay import Place, database
from memoryguard.cli.verifying import dump, verify

DatabaseUrl: TypeAlias = Annotated[
    str | None,
    Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Database; that of --home by default."),
]

app = App(name="audit", help="Questions to the audit log.")
app.command(verify)
app.command(dump)
out = Console()


@app.command
def prune(
    *,
    years: Annotated[
        float,
        Parameter(env_var="MEMORYGUARD_AUDIT_RETENTION_YEARS", help="Retention; six at least."),
    ] = 6.0,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Drop entries older than the policy asks for, as the log's owner; every proof stays valid."""

    async def run() -> list[dict[str, Any]]:
        async with database(Place(Home(home.resolve()), database_url)) as url:
            return [fact.model_dump(mode="json") for fact in await drop(url, years)]

    dropped = asyncio.run(run())
    if json:
        print(plain.dumps({"pruned": dropped}))
        return
    for each in dropped:
        out.print(f"entries {each['first']} to {each['last']} are dropped", highlight=False)
    if not dropped:
        out.print("nothing is old enough, or it is held, or not under a checkpoint that has left")
