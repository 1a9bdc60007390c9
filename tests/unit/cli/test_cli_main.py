# SPDX-License-Identifier: Apache-2.0
"""The command line as a person meets it: what is wrong is one line, with an exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memoryguard.cli.home import make_home
from memoryguard.common.security.tokens import TokenVerifier


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memoryguard.cli", *arguments]
    # A platform that another test ran in this process leaves its settings in the environment.
    clean = {n: value for n, value in os.environ.items() if not n.startswith("MEMORYGUARD_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean)


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["token", "me", "--home", "{}/none"], 78, "no_home"),
        (["upload", "{}", "--home", "{}/none"], 78, "not_running"),
        (["upload", "{}/none", "--url", "http://127.0.0.1:9", "--token", "x"], 3, "no_such_file"),
        (["worklist", "list", "--url", "http://127.0.0.1:9", "--token", "x"], 1, "no_answer"),
        (["result", "x", "--url", "http://127.0.0.1:9", "--token", "x"], 1, "no_answer"),
        (["report", "x", "--url", "http://127.0.0.1:9", "--token", "x"], 1, "no_answer"),
        (
            ["report", "x", "--out", "{}/no/x.pdf", "--url", "x", "--token", "x"],
            3,
            "no_such_folder",
        ),
        (["audit", "review", "--url", "http://127.0.0.1:9", "--token", "x"], 1, "no_answer"),
        (["audit", "ledger", "--home", "{}/none"], 78, "not_running"),
        (["redrive", "nobody", "--home", "{}/none"], 3, "no_such_service"),
        (["analyze", "{}", "--labels", "{}/labels.png"], 3, "bad_labels_name"),
        (["score", "{}/none.csv"], 3, "table_not_named"),
        (["rerun", "--model", "{}", "--since", "2026-01-01", "--home", "{}/no"], 78, "no_home"),
        (["rerun", "verify", "{}/none.json", "--home", "{}/none"], 78, "no_home"),
        (["score", "{}/none.csv", "--software", "synthseg"], 3, "no_such_file"),
        (["norms", "sign", "{}/none.pem", "{}/none.json"], 3, "no_such_file"),
        (["witness", "--state", "{}/none"], 78, "bad_log_key"),
        (["witness", "new-key", "--state", "{}", "--name", "two words"], 78, "bad_witness_name"),
    ],
)
def test_errors_are_one_helpful_line(
    tmp_path: Path, arguments: list[str], status: int, code: str
) -> None:
    ended = run(*(argument.format(tmp_path) for argument in arguments))
    assert ended.returncode == status
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"memoryguard: {code}: ")
    assert "Traceback" not in ended.stderr + ended.stdout


def test_a_reader_that_has_enough_is_no_bug() -> None:
    command = [sys.executable, "-m", "memoryguard.cli", "score", "--schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 1


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    commands = (
        "up", "down", "upload", "watch", "result", "analyze", "sample", "token", "audit",
        "redrive", "doctor", "demo", "worklist", "score", "rerun", "report",
    )  # fmt: skip
    assert all(f" {command} " in text for command in commands)


def test_a_token_of_the_home_is_accepted_by_its_services(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    printed = run("token", "me", "--role", "compliance", "--home", str(home.folder), "--json")
    public = home.environment("")["MEMORYGUARD_TOKEN_PUBLIC_KEY"]
    principal = TokenVerifier(public, "memoryguard-local").verify(
        json.loads(printed.stdout)["token"]
    )
    assert (principal.user_id, principal.roles) == ("me", frozenset({"compliance"}))


def test_keys_of_a_home_are_ours_alone_and_stay(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    before = {path.name: path.read_bytes() for path in home.keys.iterdir()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.keys.iterdir())
    make_home(tmp_path / "home")
    assert {path.name: path.read_bytes() for path in home.keys.iterdir()} == before


def test_a_scanner_is_calibrated_and_signed(tmp_path: Path) -> None:
    table, site, key = (str(tmp_path / name) for name in ("t.csv", "one.site.json", "key.pem"))
    rows = [f"70,F,1450000,{7000 + 100 * n}" for n in range(9)]
    header = "age_years,sex,intracranial_mm3,hippocampus_total_mm3"
    Path(table).write_text("\n".join([header, *rows]))
    scanner = ("--name", "one", "--manufacturer", "SIEMENS", "--field", "3", "--version", "1.3.0")
    made = run("norms", "calibrate", table, "--out", site, *scanner)
    assert made.returncode == 0, made.stderr
    assert "hippocampus total" in made.stdout
    assert json.loads(Path(site).read_text())["regions"]["hippocampus_total"]["n"] == 9
    assert run("norms", "new-key", key).returncode == 0
    assert run("norms", "sign", key, site).stdout.strip() == f"{site}.sig"
