# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the contracts of .importlinter, and a closed list for the domains."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from layout import LIBRARIES, ROOT, SERVICES, imported, parsed, short, source_files

from memoryguard.common.contracts import flow

# What a domain may import besides itself: mathematics and plain data.
PURE = {
    "__future__", "base64", "binascii", "collections", "dataclasses", "datetime", "enum",
    "functools", "hashlib", "itertools", "json", "math", "operator", "re", "statistics", "struct",
    "typing", "uuid", "memoryguard.common.errors", "memoryguard.common.vocabulary", "numpy",
    "scipy",
}  # fmt: skip
PURE_IN = {
    "audit": {"memoryguard.tlog"},  # the log's own mathematics, which imports nothing of ours
    "processor": {"fast_simplification", "skimage"},  # geometry of surfaces
}

READS_ENVIRONMENT = {
    "libs/cli/src/memoryguard/cli/up.py": "gives its home's settings to the services it mounts",
}


def _lint(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config"]
    return subprocess.run(
        [*command, str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_import_contracts_are_kept() -> None:
    linted = _lint(ROOT / ".importlinter")
    assert linted.returncode == 0, linted.stdout


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    config = tmp_path / "importlinter"
    config.write_text(
        "[importlinter]\nroot_packages =\n  memoryguard.common\n  memoryguard.audit\n"
        "[importlinter:contract:upside-down]\nname = upside down\ntype = layers\n"
        "layers =\n  memoryguard.common\n  memoryguard.audit\n"
    )
    assert "BROKEN" in _lint(config).stdout


def test_the_contracts_name_every_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    there = {
        f"memoryguard.{path.name}"
        for folder in (LIBRARIES, SERVICES)
        for path in folder.glob("*/src/memoryguard/*")
        if path.name != "__pycache__"
    }
    layers = config["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    domains = {
        f"memoryguard.{p.parent.name}.domain" for p in SERVICES.glob("*/src/memoryguard/*/domain")
    }
    assert set(config["importlinter"]["root_packages"].split()) == there
    assert set(layers) == there
    assert set(config["importlinter:contract:domain"]["source_modules"].split()) == domains
    assert {path.name for path in SERVICES.iterdir()} == set(flow.SERVICES)


@pytest.mark.parametrize("service", sorted(p.name for p in SERVICES.iterdir()))
def test_a_domain_imports_mathematics_and_itself_alone(service: str) -> None:
    own = f"memoryguard.{service}.domain"
    allowed = PURE | PURE_IN.get(service, set()) | {own}
    folder = SERVICES / service / "src/memoryguard" / service / "domain"
    strange = [
        f"{short(path)}: {name}"
        for path in folder.rglob("*.py")
        for name in imported(path)
        if not any(name == root or name.startswith(f"{root}.") for root in allowed)
    ]
    assert not strange


def test_a_domain_opens_nothing() -> None:
    opened = [
        f"{short(path)}:{node.lineno}"
        for path in source_files()
        if "domain" in path.parts
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}
    ]
    assert not opened


def test_the_environment_is_read_in_settings_alone() -> None:
    readers = {
        short(path)
        for path in source_files()
        if path.name != "settings.py"
        and any(word in path.read_text(encoding="utf-8") for word in ("os.environ", "os.getenv"))
    }
    assert readers == set(READS_ENVIRONMENT)
