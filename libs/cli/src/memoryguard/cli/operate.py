# SPDX-License-Identifier: Apache-2.0
"""Operate a platform: revive dead events, look for what is wrong."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from memoryguard.cli.audit import database_of, verify_home
from memoryguard.cli.home import Home
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import MemoryGuardError, Unavailable
from memoryguard.common.runtime import inbox
from memoryguard.common.runtime.database import open_pool
from memoryguard.tlog.report import Report
from memoryguard.tlog.telling import tell

STOP_S = 90.0
MIN_FREE_BYTES = 2 << 30
PACKAGES = ("aiohttp", "asyncpg", "highdicom", "nibabel", "onnxruntime", "pydicom", "shap")


def stop(home: Home) -> bool:
    """Ask a home's platform to stop and wait for its end; False when none runs."""
    running = home.running()
    if running is None:
        return False
    os.kill(int(running["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while home.held():
        if time.monotonic() > deadline:
            raise Unavailable("does_not_stop", "the platform does not stop", "see up.log")
        time.sleep(0.1)
    return True


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found."""

    name: str
    ok: bool
    say: str

    def document(self) -> dict[str, Any]:
        """Write it as plain data."""
        return asdict(self)


async def doctor(home: Home) -> list[Check]:
    """Look at the machine and at a home."""
    checks = [_python(), _packages(), _disk(home)]
    if not home.keys.exists():
        return [*checks, Check("home", True, "nothing here yet: memoryguard up makes it")]
    for name, look in (("dead events", _dead), ("audit log", _log)):
        checks.append(await _guarded(name, home, look))
    return checks


async def _guarded(name: str, home: Home, look: Callable[[Home], Awaitable[Check]]) -> Check:
    try:
        return await look(home)
    except MemoryGuardError as error:
        return Check(name, False, f"{error.message} ({error.hint})")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", (3, 11) <= sys.version_info < (3, 14), version)


def _packages() -> Check:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    say = f"missing: {', '.join(missing)}" if missing else "all there"
    return Check("packages", not missing, say)


def _disk(home: Home) -> Check:
    existing = home.folder if home.folder.exists() else home.folder.absolute().parent
    free = shutil.disk_usage(existing).free
    return Check("disk", free > MIN_FREE_BYTES, f"{free / 2**30:.1f} GiB free")


async def _dead(home: Home) -> Check:
    found: dict[str, int] = {}
    async with database_of(home) as url:
        for service in SERVICES:
            async with await open_pool(url, service, 1) as pool:
                found[service] = (await inbox.count(pool))["dead"]
    say = ", ".join(f"{name}: {count}" for name, count in found.items() if count)
    return Check("dead events", not say, say or "none")


async def _log(home: Home) -> Check:
    report = await verify_home(home)
    return Check("audit log", report.intact, str(show_report(report)))


def show_report(report: Report) -> Text:
    """Say what verification found, the first bad entry first, and what it cannot tell."""
    style = "green" if report.intact and report.complete else "red"
    return Text("\n".join(tell(report)), style)
