# SPDX-License-Identifier: Apache-2.0
"""Use a running platform from the terminal: upload, watch, result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from memoryguard.cli.client import Client, Document, client, upload_paths
from memoryguard.cli.show import show
from memoryguard.common.errors import Rejected

Access: TypeAlias = tuple[str, str]
"""URL and bearer token."""


async def upload(
    access: Access, place: Path, user_id: str | None, as_json: bool, out: Console, err: Console
) -> str:
    """Upload with a progress bar; the scan's id."""
    async with client(*access) as platform:
        answer = await upload_with_progress(platform, place, user_id, err, hidden=as_json)
    if as_json:
        print(json.dumps(answer))
    else:
        out.print(f"taken in as [bold]{answer['imaging_id']}[/] ({answer['instances']} instances)")
    return str(answer["imaging_id"])


async def upload_with_progress(
    platform: Client, place: Path, user_id: str | None, console: Console, *, hidden: bool = False
) -> Document:
    """Upload and show how many bytes have left."""
    total = sum(path.stat().st_size for path in upload_paths(place))
    columns = (
        TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("uploading", total=total)
        return await platform.upload(
            place, user_id, lambda sent: progress.update(task, advance=sent)
        )


async def watch(access: Access, imaging_id: str, as_json: bool, out: Console) -> Document:
    """Print each change of a scan's status; the last one."""
    last: Document = {}
    async with client(*access) as platform:
        async for status in platform.watch(imaging_id):
            if as_json:
                print(json.dumps(status), flush=True)
            elif status != last:
                out.print(describe(status))
            last = status
    return last


def describe(status: Document) -> str:
    """One line about a scan's status."""
    stages = status.get("stages") or {}
    reached = sum(took for stage, took in stages.items() if stage != "total")
    seconds = stages.get("total", reached)
    line = f"  {status['status']:<11} {status.get('stage') or '':<10} {seconds:6.1f} s"
    if status.get("error"):
        line += f"  {status['error']['code']}: {status['error']['message']}"
    return line


async def result(access: Access, imaging_id: str, as_json: bool, out: Console) -> None:
    """Print a scan's analysis."""
    async with client(*access) as platform:
        document = await platform.get(f"/api/v1/imaging/{imaging_id}/analysis")
    if as_json:
        print(json.dumps(document))
    else:
        out.print(show(document))


def confirm_erasure(user_id: str, out: Console) -> None:
    """Have the account typed once more.

    Raises
    ------
    Rejected
        ``not_confirmed``.
    """
    out.print(f"Everything of {user_id} will be erased. This cannot be undone.", highlight=False)
    try:
        typed = input("The account once more: ")
    except EOFError:
        typed = ""
    if typed != user_id:
        raise Rejected("not_confirmed", "nothing was erased", "type the account, or give --yes")


async def erase(access: Access, user_id: str, as_json: bool, out: Console) -> None:
    """Erase an account's owner; say what was deleted and what remains."""
    async with client(*access) as platform:
        answer = await platform.delete(f"/api/v1/users/{quote(user_id, safe='')}")
    if as_json:
        print(json.dumps(answer))
        return
    out.print(f"erased, with {answer['objects_deleted']} objects. What remains:", highlight=False)
    for each in answer["remains"]:
        out.print(f"- {each}", highlight=False)
