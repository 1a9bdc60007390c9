# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile's own commands, run as plain processes: what an image would hold.

No container engine is needed: COPY and RUN of the build stage are carried out in a folder, with
/source and /opt moved below it. What the base image itself holds is not seen here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from deployment import ROOT, dockerfile, program
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOT_IN_IMAGES = {"pip", "uv", "hatchling", "pytest", "ruff", "moto", "setuptools"}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where stages lie that are the same for every image."""
    return tmp_path_factory.mktemp("stages")


def build(stage: str, service: str, folder: Path, others: Path) -> None:
    """Carry out a stage in a folder that stands for its root, and those it copies from, once."""
    python = Path(sys.executable).parent  # of the version that the base image has
    environment = os.environ | {
        "SERVICE": service,
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
    }
    place = folder
    for each in dockerfile().stages[stage]:
        if each.word == "WORKDIR":
            place = folder / each.rest.removeprefix("/")
            place.mkdir(parents=True, exist_ok=True)
        elif each.word == "COPY" and each.rest.startswith("--from="):
            other, source, target = each.rest.removeprefix("--from=").split()
            if not (others / other).exists():
                build(other, service, others / other, others)
            _copy(others / other / source.removeprefix("/"), place / target)
        elif each.word == "COPY":
            *names, target = each.rest.split()
            above = folder / target.removeprefix("/") if target.startswith("/") else place / target
            for name in names:
                source = ROOT / name
                inside = target == "./" and source.is_file()
                _copy(source, above / source.name if inside else above)
        elif each.word == "RUN":
            line = each.rest.replace("/opt/", f"{folder}/opt/")
            done = subprocess.run(
                line, shell=True, cwd=place, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=_ignored)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What .dockerignore keeps away, as far as it lies in what is copied."""
    kept_away = ("__pycache__", "node_modules", "web/src/contracts", "memoryguard/api/app")
    return {name for name in names if f"{folder}/{name}".endswith(kept_away)}


def closure(installed: dict[str, Distribution], extra: str) -> set[str]:
    """Everything that memoryguard[extra] needs, as the installed packages themselves say."""
    needed: set[tuple[str, str]] = set()
    waiting = [("memoryguard", ""), ("memoryguard", extra)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in needed:
            continue
        needed.add((name, wanted))
        for text in installed[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                below = canonicalize_name(requirement.name)
                waiting += [(below, each) for each in ("", *requirement.extras)]
    return {name for name, _ in needed}


@pytest.mark.parametrize("service", ["atrophy", "cli"])
def test_an_image_holds_what_its_service_needs_and_nothing_else(
    service: str, tmp_path: Path, others: Path
) -> None:
    program("node")
    build("build", service, tmp_path, others)
    prefix = tmp_path / "opt" / "memoryguard"
    (packages,) = prefix.glob("lib/python3*/site-packages")
    installed = {
        canonicalize_name(each.metadata["Name"]): each
        for each in distributions(path=[str(packages)])
    }
    assert set(installed) == closure(installed, service)
    assert not NOT_IN_IMAGES & set(installed)
    assert (packages / "memoryguard/api/app/index.html").is_file()
    module = "memoryguard.cli.__main__" if service == "cli" else f"memoryguard.{service}.service"
    done = _run(
        prefix, tmp_path, "python", "-I", "-c", f"import {module}; print({module}.__file__)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(packages))
    if service == "cli":
        done = _run(prefix, tmp_path, "memoryguard", "prepare", "keys", "--home", "home")
        assert done.stdout.count("PASSWORD=") == 7, done.stderr
    else:
        done = _run(prefix, tmp_path, *dockerfile().last(service, "CMD"))
        assert done.returncode == 78
        assert done.stderr.startswith("bad_settings: ")
    shutil.rmtree(tmp_path)  # large


def _run(prefix: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = dockerfile().environment("runtime") | {
        "PATH": f"{prefix / 'bin'}",
        "HOME": str(folder),
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
