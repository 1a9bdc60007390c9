# SPDX-License-Identifier: Apache-2.0
"""The deployment files, read as the tools that use them would read them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[1]
KUBERNETES = ROOT / "deploy" / "k8s"
GO_TOOLS = {
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
}
BUILD_S = 280

Json: TypeAlias = dict[str, Any]


def go_tool(name: str) -> str:
    """Find a program, or build it with Go into .cache/bin; skip loudly where neither works."""
    place = ROOT / ".cache" / "bin" / name
    found = shutil.which(name) or (str(place) if place.exists() else None)
    if found:
        return found
    why = "neither on the path nor Go to build it with"
    if shutil.which("go"):
        built = subprocess.run(
            ["go", "install", GO_TOOLS[name]],
            env=os.environ | {"GOBIN": str(place.parent)},
            capture_output=True, text=True, timeout=BUILD_S,
        )  # fmt: skip
        if built.returncode == 0:
            return str(place)
        why = built.stderr.strip()[-300:]
    raise _absent(name, why)


def program(name: str) -> str:
    """Find a program of Debian's; skip loudly where it is missing."""
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        raise _absent(name, f"apt-get install {name}")
    return found


def _absent(name: str, why: str) -> BaseException:
    kind = pytest.fail.Exception if os.environ.get("CI") else pytest.skip.Exception
    return kind(f"NO {name.upper()} HERE: {why}")


# --- Dockerfile ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile."""

    word: str
    rest: str


@dataclass(slots=True)
class Dockerfile:
    """Stages of a Dockerfile, each with its parent."""

    stages: dict[str, list[Instruction]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)

    def chain(self, stage: str) -> list[Instruction]:
        """Every instruction that a stage's image has, from its base on."""
        before = self.chain(self.parents[stage]) if self.parents.get(stage) in self.stages else []
        return before + self.stages[stage]

    def environment(self, stage: str) -> dict[str, str]:
        """ENV of a stage."""
        pairs = [
            re.findall(r"(\w+)=(\S+)", each.rest)
            for each in self.chain(stage)
            if each.word == "ENV"
        ]
        return dict(pair for found in pairs for pair in found)

    def last(self, stage: str, word: str) -> list[str]:
        """The exec form of a stage's last CMD, ENTRYPOINT or HEALTHCHECK; empty without one."""
        found = [each.rest for each in self.chain(stage) if each.word == word]
        return json.loads(found[-1][found[-1].index("[") :]) if found else []


def dockerfile() -> Dockerfile:
    """Read the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    read, current = Dockerfile(), "global"
    read.stages[current] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = name or "final"
            read.parents[current], read.stages[current] = parent, []
        else:
            read.stages[current].append(Instruction(word, rest.strip()))
    return read


# --- docker-compose.yml --------------------------------------------------------------------

_VARIABLE = re.compile(r"\$\{(\w+):\?([^}]*)\}")
_OPTIONAL = re.compile(r"\$\{(\w+):-([^}]*)\}")


def compose(variables: Mapping[str, str] | None = None) -> Json:
    """Read docker-compose.yml; with variables, put them in as `docker compose` would."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    if variables is None:
        return document
    return _filled(document, variables)


def compose_variables() -> set[str]:
    """Every variable that docker-compose.yml cannot do without."""
    return {name for name, _ in _VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}


def _filled(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {k: _filled(v, variables) for k, v in part.items()}
    if isinstance(part, list):
        return [_filled(each, variables) for each in part]
    if not isinstance(part, str):
        return part
    given = _VARIABLE.sub(lambda m: variables[m[1]], part)
    return _OPTIONAL.sub(lambda m: variables.get(m[1]) or m[2], given)


def dotenv(text: str) -> dict[str, str]:
    """Read an .env file."""
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value or "" for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Process:
    """What a container runs: its command, and its whole environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


def stage_of(image: str) -> str | None:
    """The Dockerfile's stage of one of our own images."""
    return image.split("/")[1].split(":")[0] if image.startswith("memoryguard/") else None


def process(container: Mapping[str, Any], environment: Mapping[str, str]) -> Process:
    """Join what the image says and what compose file or manifest say.

    Parameters
    ----------
    container
        With ``image``, and perhaps ``entrypoint`` and ``command`` as a compose file has them.
    environment
        Of the container; the image's comes under it.
    """
    read, stage = dockerfile(), stage_of(container["image"])
    entry = container.get("entrypoint") or (read.last(stage, "ENTRYPOINT") if stage else [])
    command = container.get("command") or (read.last(stage, "CMD") if stage else [])
    below = read.environment(stage) if stage else {}
    return Process([*entry, *command], below | dict(environment))


# --- Kubernetes ----------------------------------------------------------------------------


def rendered(overlay: str) -> list[Json]:
    """Every manifest of an overlay, as `kubectl apply -k` would send it."""
    built = subprocess.run(
        [go_tool("kustomize"), "build", str(KUBERNETES / "overlays" / overlay)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def pods(manifests: Sequence[Json]) -> dict[str, Json]:
    """Pod templates, by the name of what makes them."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in manifests
        if each["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def environment_of(container: Json, manifests: Sequence[Json]) -> dict[str, str]:
    """A container's environment as the kubelet would make it."""
    data = {
        (each["kind"], each["metadata"]["name"]): each.get("data") or each.get("stringData")
        for each in manifests
        if each["kind"] in ("ConfigMap", "Secret")
    }
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in source:
                content = data.get((kind, source[key]["name"]))
                assert content is not None or source[key].get("optional"), source
                found |= content or {}
    own: dict[str, str] = {}  # only these may be named in $(…)
    for each in container.get("env", []):
        if "value" in each:
            own[each["name"]] = re.sub(r"\$\((\w+)\)", lambda m: own[m[1]], each["value"])
        else:
            ((key, reference),) = each["valueFrom"].items()
            kind = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}[key]
            own[each["name"]] = data[kind, reference["name"]][reference["key"]]  # type: ignore[index]
    return found | own
