# SPDX-License-Identifier: Apache-2.0
"""A witness on Kubernetes and in the compose file: confined, alone, and started as it can be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deployment import Json, compose, environment_of, pods, rendered, stage_of

from memoryguard.common.errors import Misconfigured
from memoryguard.witness.__main__ import run
from memoryguard.witness.key import read_key

KUBERNETES_VERSION = "1.37"
NAME = "memoryguard-witness"


@pytest.fixture(scope="module")
def manifests() -> list[Json]:
    return rendered("witness")


def named(manifests: list[Json], kind: str) -> Json:
    (found,) = (m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, NAME))
    return found


def containers(manifests: list[Json]) -> list[Json]:
    spec = pods(manifests)[NAME]["spec"]
    return [*spec["initContainers"], *spec["containers"]]


@pytest.mark.slow
def test_manifests_are_valid_and_hold_nothing_of_the_platform(manifests: list[Json]) -> None:
    import kubernetes_validate

    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)
    kinds = sorted(m["kind"] for m in manifests)
    assert kinds == ["ConfigMap", "Namespace", "NetworkPolicy", "Service", "StatefulSet"]
    places = {m["metadata"].get("namespace") for m in manifests if m["kind"] != "Namespace"}
    assert places == {NAME}


@pytest.mark.slow
def test_it_is_confined_and_reaches_nobody(manifests: list[Json]) -> None:
    spec = pods(manifests)[NAME]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
    assert spec["automountServiceAccountToken"] is False
    for container in containers(manifests):
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert stage_of(container["image"]) == "audit"
        assert re.fullmatch(r"[a-z/]+:\d[\w.]+", container["image"])
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    policy = named(manifests, "NetworkPolicy")["spec"]
    assert not policy.get("egress") and "Egress" in policy["policyTypes"]
    labels = pods(manifests)[NAME]["metadata"]["labels"].items()
    for selector in (
        policy["podSelector"]["matchLabels"],
        named(manifests, "Service")["spec"]["selector"],
    ):
        assert selector.items() <= labels


@pytest.mark.slow
def test_there_is_one_and_its_memory_stays(manifests: list[Json]) -> None:
    spec = named(manifests, "StatefulSet")["spec"]
    assert spec["replicas"] == 1
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    for container in containers(manifests):
        (mount,) = container["volumeMounts"]
        assert mount["name"] == claim["metadata"]["name"]
        assert container["args"][container["args"].index("--state") + 1].startswith(
            mount["mountPath"]
        )


@pytest.mark.slow
def test_its_command_line_is_understood(
    manifests: list[Json], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, served = (_arguments(each, manifests, tmp_path) for each in containers(manifests))
    run(made)
    key = read_key(tmp_path / "witness" / "key").key
    assert capsys.readouterr().out == f"{key}\n"
    assert key.name == "witness.example.org"
    # The key in the overlay is a place for yours, and says so when it is left as it is.
    with pytest.raises(Misconfigured, match="bad_log_key"):
        run(served)


def _arguments(container: Json, manifests: list[Json], folder: Path) -> list[str]:
    assert container["command"] == ["python", "-m", "memoryguard.witness"]
    given = environment_of(container, manifests)
    mapped = (re.sub(r"\$\((\w+)\)", lambda m: given[m[1]], each) for each in container["args"])
    return [each.replace("/state", str(folder)) for each in mapped]


def test_compose_says_how_and_starts_none_by_itself() -> None:
    described = compose()
    witness = described["services"]["witness"]
    assert witness["profiles"] == ["witness"] and "ports" not in witness
    assert witness["entrypoint"] == ["python", "-m", "memoryguard.witness"]
    assert witness["volumes"] == ["witness:/state"] and "witness" in described["volumes"]
    asked = described["services"]["audit"]["environment"]["MEMORYGUARD_AUDIT_WITNESSES"]
    assert asked == "${MEMORYGUARD_AUDIT_WITNESSES:-}"
