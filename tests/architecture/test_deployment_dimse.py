# SPDX-License-Identifier: Apache-2.0
"""DIMSE on Kubernetes: prod with the component is prod, one port more, and what that needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from deployment import Json, environment_of, pods, rendered

from memoryguard.common.testing.settings import folder_settings
from memoryguard.ingest.ways.peers import DimseSettings, Peers, tls_context

pytestmark = pytest.mark.slow

KUBERNETES_VERSION = "1.37"
INGEST = "memoryguard-ingest"


@pytest.fixture(scope="module")
def manifests() -> list[Json]:
    return rendered("prod-dimse")


def named(manifests: list[Json], kind: str, name: str) -> Json:
    (found,) = (m for m in manifests if (m["kind"], m["metadata"]["name"]) == (kind, name))
    return found


def ingest_of(manifests: list[Json]) -> Json:
    (container,) = pods(manifests)[INGEST]["spec"]["containers"]
    return container


def own_variables(manifests: list[Json]) -> dict[str, str]:
    """What is set of DIMSE, secrets of the deployment left out."""
    container = ingest_of(manifests)
    maps = [each for each in container["envFrom"] if "configMapRef" in each]
    plain = [each for each in container["env"] if "DIMSE" in each["name"]]
    found = environment_of({"envFrom": maps, "env": plain}, manifests)
    return {name: value for name, value in found.items() if "DIMSE" in name}


def test_manifests_are_valid_and_of_one_namespace(manifests: list[Json]) -> None:
    import kubernetes_validate

    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)
    places = {m["metadata"].get("namespace") for m in manifests if m["kind"] != "Namespace"}
    assert places == {"memoryguard"}


def test_all_else_is_as_in_prod(manifests: list[Json]) -> None:
    def others(them: list[Json]) -> dict[tuple[str, str], Json]:
        return {
            (m["kind"], m["metadata"]["name"]): m for m in them if m["metadata"]["name"] != INGEST
        }

    prod, more = others(rendered("prod")), others(manifests)
    assert {key: more[key] for key in prod} == prod
    added = {kind for kind, _ in set(more) - set(prod)}
    assert added == {"Service", "NetworkPolicy", "ConfigMap"}
    assert len(more) == len(prod) + 3


def test_the_port_leads_from_private_networks_to_ingest_alone(manifests: list[Json]) -> None:
    container = ingest_of(manifests)
    ports: dict[str, Any] = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = named(manifests, "Service", "memoryguard-dimse")["spec"]
    (port,) = service["ports"]
    assert ports[port["targetPort"]] == port["port"] == 11112
    assert service["externalTrafficPolicy"] == "Local"  # peers are told apart by their address
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    assert [n for n, has in labels.items() if service["selector"].items() <= has.items()] == [
        INGEST
    ]
    policy = named(manifests, "NetworkPolicy", "from-pacs")["spec"]
    chosen = policy["podSelector"]["matchLabels"]
    assert [n for n, has in labels.items() if chosen.items() <= has.items()] == [INGEST]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "dimse"}]
    assert all(each["ipBlock"]["cidr"] != "0.0.0.0/0" for each in rule["from"])


def test_the_settings_are_read_and_hold_in_production(
    manifests: list[Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container, variables = ingest_of(manifests), own_variables(manifests)
    known = {f"MEMORYGUARD_DIMSE_{name.upper()}" for name in DimseSettings.model_fields}
    assert set(variables) <= known
    (volume,) = (v for v in container["volumeMounts"] if v["name"] == "dimse")
    (secret,) = (
        v["secret"] for v in pods(manifests)[INGEST]["spec"]["volumes"] if v["name"] == "dimse"
    )
    assert secret == {"secretName": "memoryguard-dimse"}
    # The secret's files, as they would lie there.
    cert, key = certificate(tmp_path)
    files = {"tls.crt": cert, "tls.key": key, "ca.crt": cert}
    for name, value in variables.items():
        if value.startswith(volume["mountPath"] + "/"):
            value = str(files[value.removeprefix(volume["mountPath"] + "/")])
        monkeypatch.setenv(name, value)
    settings = DimseSettings()
    assert (settings.port, settings.host) == (11112, "0.0.0.0")
    assert Peers(settings.peers).may_send("PACS", "10.0.0.5")
    shared = folder_settings(tmp_path, "")[0].model_copy(update={"profile": "production"})
    assert tls_context(settings, shared) is not None
