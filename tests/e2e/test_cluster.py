# SPDX-License-Identifier: Apache-2.0
"""The demo on the deployed form (real Kafka, two replicas of each service, nginx) and embedded.

Both runs are commands as a user types them, and print the same result.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deployment import program

ROOT = Path(__file__).parents[2]
START_S = 180.0
DEMO_S = 400
STOP_S = 120


@contextmanager
def cluster(home: Path, jars: Path, log: Path) -> Generator[None]:
    """The command behind ``make cluster``, until it says that it serves; then told to stop."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "deploy" / "local" / "cluster.py"), "--home", str(home),
             "--jars", str(jars), "--port", "0"],
            stdout=out, stderr=out, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_S
        while "serves at" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
        process.terminate()
        assert process.wait(STOP_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def demo(home: Path) -> str:
    # Without what a platform of another test, in this process, has set.
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORYGUARD_", "IMAGING_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "memoryguard.cli", "demo", "--home", str(home)],
        capture_output=True, text=True, timeout=DEMO_S, env=bare | {"COLUMNS": "100"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def result_of(printed: str) -> str:
    """The result of the second scan: everything from its heading to the seconds it took."""
    return printed[printed.index("Result of the second scan") : printed.index("  Seconds  ")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_prints_the_same_on_a_cluster_and_embedded(
    tmp_path: Path, kafka_jars: Path
) -> None:
    program("nginx")
    home = tmp_path / "cluster"
    with cluster(home, kafka_jars, tmp_path / "cluster.log"):
        on_cluster = demo(home)
    for said in ("it runs already", "verified", "numbers invented: 0", "altered_entry", "intact"):
        assert said in on_cluster
    assert "ended with status" not in (tmp_path / "cluster.log").read_text()
    assert result_of(demo(tmp_path / "embedded")) == result_of(on_cluster)
