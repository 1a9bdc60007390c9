# SPDX-License-Identifier: Apache-2.0
"""Each service as a process of its own, on one database: the same code, the same flow."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from series import small_series

from memoryguard.cli.home import make_home
from memoryguard.client import AsyncClient
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import EX_CONFIG

START_S = 60.0


@contextmanager
def running(service: str, environment: dict[str, str], log: Path) -> Generator[str]:
    """Run a service; yield its URL; it must drain and end well when told to."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"memoryguard.{service}"],
            env=os.environ | environment | {"MEMORYGUARD_PORT": "0"},
            stderr=errors,
        )
    try:
        deadline = time.monotonic() + START_S
        while not (url := _url_in(log)):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def _url_in(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        if line.startswith("{") and (url := json.loads(line).get("url")):
            return url
    return None


async def test_six_processes_are_one_platform(tmp_path: Path, database_url: str) -> None:
    home = make_home(tmp_path / "home")
    environment = home.environment(database_url)
    with ExitStack() as stack:
        at = {
            name: stack.enter_context(running(name, environment, tmp_path / f"{name}.log"))
            for name in SERVICES
        }
        token = home.issuer().issue("somebody", ["patient"])
        async with (
            AsyncClient(at["ingest"], token) as intake,
            AsyncClient(at["api"], token) as reader,
        ):
            folder = small_series(tmp_path / "noise")
            scan_id = str((await intake.upload(folder))["imaging_id"])
            async with asyncio.timeout(120):
                statuses = [status async for status in reader.watch(scan_id)]
    assert statuses[-1]["status"] == "failed", "noise of 24 slices is no head"
    assert statuses[-1]["error"]["code"]
    for name in SERVICES:
        said = (tmp_path / f"{name}.log").read_text()
        for line in said.splitlines():
            assert line.startswith("{"), f"{name} says what is no log: {said}"
            assert json.loads(line)["level"] in ("info", "warning")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_without_settings_says_so_in_one_line_and_exits_78(service: str) -> None:
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORYGUARD_", "IMAGING_"))}
    ended = subprocess.run(
        [sys.executable, "-m", f"memoryguard.{service}"], env=bare, capture_output=True, text=True
    )
    assert ended.returncode == EX_CONFIG
    assert "bad_settings" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
