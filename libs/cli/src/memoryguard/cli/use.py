# SPDX-License-Identifier: Apache-2.0
"""Use a running platform from the terminal: upload, watch, result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from memoryguard.cli.access import Access
from memoryguard.cli.received import received
from memoryguard.cli.show import show
from memoryguard.client import ApiError, AsyncClient
from memoryguard.client.documents import Receipt, Status
from memoryguard.client.uploading import upload_paths
from memoryguard.common.errors import Rejected


async def upload(
    access: Access,
    places: Sequence[Path],
    user_id: str | None,
    as_json: bool,
    out: Console,
    err: Console,
) -> list[str]:
    """Upload with a progress bar, and say what became of it; the scans' ids."""
    async with AsyncClient(*access) as platform:
        try:
            answer = await upload_with_progress(platform, places, user_id, err, hidden=as_json)
        except ApiError as error:
            if error.details.get("files"):
                _say_received(error.details, as_json, out)
            raise
    _say_received(answer, as_json, out)
    return [str(scan["imaging_id"]) for scan in answer["scans"]]


def _say_received(answer: Mapping[str, Any], as_json: bool, out: Console) -> None:
    if as_json:
        print(json.dumps(answer))
        return
    for line in received(answer):
        out.print(line, soft_wrap=True)


async def upload_with_progress(
    platform: AsyncClient,
    places: Sequence[Path],
    user_id: str | None,
    console: Console,
    *,
    hidden: bool = False,
) -> Receipt:
    """Upload and show how many bytes have left."""
    paths = upload_paths(places)
    total = sum(path.stat().st_size for path in paths)
    columns = (
        TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
    )  # fmt: skip
    hidden = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("uploading", total=total)

        def reached(count: int) -> None:
            progress.update(task, completed=count)

        return await platform.upload(*paths, user_id=user_id, reached=reached)


async def watch(access: Access, imaging_id: str, as_json: bool, out: Console) -> None:
    """Print each change of a scan's status."""
    async with AsyncClient(*access) as platform:
        async for status in platform.watch(imaging_id):
            if as_json:
                print(json.dumps(status), flush=True)
            else:
                out.print(describe(status))


def describe(status: Status) -> str:
    """One line about a scan's status."""
    stages = status.get("stages") or {}
    reached = sum(took for stage, took in stages.items() if stage != "total")
    seconds = stages.get("total", reached)
    line = f"  {status['status']:<11} {status.get('stage') or '':<10} {seconds:6.1f} s"
    if error := status.get("error"):
        line += f"  {error['code']}: {error['message']}"
    return line


async def result(
    access: Access, imaging_id: str, as_json: bool, out: Console, proof: bool = False
) -> None:
    """Print a scan's analysis; with its proof, where that is asked for."""
    async with AsyncClient(*access) as platform:
        document = await platform.analysis(imaging_id, proof=proof)
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
    async with AsyncClient(*access) as platform:
        answer = await platform.erase(user_id)
    if as_json:
        print(json.dumps(answer))
        return
    out.print(f"erased, with {answer['objects_deleted']} objects. What remains:", highlight=False)
    for each in answer["remains"]:
        out.print(f"- {each}", highlight=False)
