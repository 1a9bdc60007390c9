# SPDX-License-Identifier: Apache-2.0
"""The deployment files hold what they promise; no container engine is needed to see it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from built import Built
from deployment import (
    KUBERNETES,
    ROOT,
    Dockerfile,
    Json,
    compose,
    compose_variables,
    dockerfile,
    dotenv,
    environment_of,
    pods,
    rendered,
    stage_of,
)

from memoryguard.cli.__main__ import app
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import Misconfigured
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.run import DRAIN_S
from memoryguard.common.runtime.service import Service
from memoryguard.common.runtime.settings import variable
from memoryguard.common.security.policy import Policy
from memoryguard.common.security.tls import check_transport

sys.path.insert(0, str(ROOT / "tools"))
import documents
import routes

VERSION = "0.1.0"
KUBERNETES_VERSION = "1.37"
SECRET = re.compile(r"PASSWORD|SECRET|_KEY\b|KEY$")
LITERAL_PASSWORD = re.compile(r"://[^/\s:]*:(?!\$)[^/\s]*@")
STORE = {
    "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}  # fmt: skip
"""What obstore itself reads."""
JOB_OPTIONS = {"MEMORYGUARD_ROLE_PASSWORDS"}


# --- routes --------------------------------------------------------------------------------


async def test_the_route_table_is_that_of_the_services(built: Built) -> None:
    files = routes.rendered(service for _, service in built.running)
    assert routes.settle(files, check=True) == [], "run tools/routes.py"


async def test_every_route_leads_to_its_service_and_nothing_else_leads_anywhere(
    built: Built,
) -> None:
    table = routes.places(service for _, service in built.running)
    for _, service in built.running:
        for route in service.routes:
            path = re.sub(r"\{[^}]*\}", "x", route.path)
            assert routes.service_at(table, path) == service.name
    for path in ("/metrics", "/health/live", "/health/ready", "/api/", "/api/v1/", "/x", "//"):
        assert routes.service_at(table, path) is None


@pytest.mark.parametrize("second", ["/a/{id}", "/a/{id}/b", "/a/{other}"])
def test_services_that_cannot_be_told_apart_are_an_error(second: str) -> None:
    with pytest.raises(routes.Ambiguous):
        routes.places([_service("one", "/a/{id}"), _service("two", second)])


def test_an_exact_path_is_carved_out_of_a_prefix() -> None:
    table = routes.places([_service("one", "/a/{id}"), _service("two", "/a/new")])
    assert [routes.service_at(table, p) for p in ("/a/new", "/a/x", "/a")] == ["two", "one", None]


def _service(name: str, path: str) -> Service:
    async def nothing(_: web.Request) -> web.Response:
        return web.Response()

    return Service(name, routes=[Route("GET", path, nothing, Policy("x", public="a test"))])


# --- Dockerfile ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read() -> Dockerfile:
    return dockerfile()


def test_there_is_an_image_for_every_service_and_for_jobs(read: Dockerfile) -> None:
    for name in SERVICES:
        assert read.last(name, "CMD") == ["python", "-m", f"memoryguard.{name}"]
        assert "/health/ready" in read.last(name, "HEALTHCHECK")[-1]
    assert read.last("cli", "ENTRYPOINT") == ["memoryguard"]
    assert read.parents["final"] == "${SERVICE}"
    known = {"global", "web", "build", "runtime", "service", "final", "cli", *SERVICES}
    assert set(read.stages) == known


def test_images_are_pinned_and_run_as_nobody_in_particular(read: Dockerfile) -> None:
    bases = {p for p in read.parents.values() if p not in read.stages and p != "${SERVICE}"}
    assert bases == {"python:3.11-slim-bookworm", "node:20-bookworm-slim"}
    for stage in (*SERVICES, "cli"):
        users = [each.rest for each in read.chain(stage) if each.word == "USER"]
        assert users == ["10001:10001"]
        assert not [n for n in read.environment(stage) if SECRET.search(n)]


def test_every_package_is_installed_by_its_hash(read: Dockerfile) -> None:
    runs = [each.rest for each in read.stages["build"] if each.word == "RUN"]
    assert any(each.rest.startswith("npm ci ") for each in read.stages["web"])
    for line in (line for line in runs if " venv " not in line):
        assert "--require-hashes" in line or "--no-deps /opt/installer/wheel/" in line


def test_the_build_is_sent_what_it_copies_and_no_secret(read: Dockerfile) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        name
        for stage in ("web", "build")
        for each in read.stages[stage]
        if each.word == "COPY" and not each.rest.startswith("--from=")
        for name in each.rest.split()[:-1]
    }
    assert allowed == {name for name in copied if not any(_below(name, a) for a in allowed)}
    assert all((ROOT / name).exists() for name in copied)


def _below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


# --- docker-compose.yml --------------------------------------------------------------------

OURS = {*SERVICES, "prepare-database", "prepare-topics", "prepare-bucket"}
ASKED_FOR = {"witness"}
"""What is not started unless its profile is asked for."""


def _containers() -> Iterator[tuple[str, Json]]:
    yield from compose()["services"].items()


def test_compose_runs_the_whole_platform_and_publishes_only_the_front() -> None:
    services = dict(_containers())
    assert set(services) == OURS | ASKED_FOR | {"front", "kafka", "postgres", "objects"}
    assert {name for name, each in services.items() if "profiles" in each} == ASKED_FOR
    awaited = {name for each in services.values() for name in each.get("depends_on", {})}
    assert not awaited & ASKED_FOR
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {"front": ["127.0.0.1:8470:8080"]}
    assert compose()["networks"]["inside"] == {"internal": True}
    outside = [n for n, each in services.items() if "outside" in each["networks"]]
    assert outside == ["front"]


@pytest.mark.parametrize(("name", "container"), list(_containers()))
def test_every_container_of_compose_is_bounded_watched_and_started_again(
    name: str, container: Json
) -> None:
    limits = container["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= set(limits)
    assert container["restart"] in ("unless-stopped", "on-failure:5")
    assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]+", container["image"])
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container.get("read_only") or name == "kafka"  # its image writes its own settings
    if name in OURS | ASKED_FOR:
        assert (
            container["image"] == f"memoryguard/{container['build']['args']['SERVICE']}:{VERSION}"
        )
    if name in SERVICES:
        assert float(container["stop_grace_period"].rstrip("s")) > DRAIN_S
        started = {n: c["condition"] for n, c in container["depends_on"].items()}
        jobs = ("prepare-database", "prepare-topics", "prepare-bucket")
        assert started == dict.fromkeys(jobs, "service_completed_successfully")
    elif not name.startswith("prepare-"):
        assert container["healthcheck"]["test"][0] == "CMD"


def test_compose_holds_no_secret_and_sets_only_what_is_read() -> None:
    for name, container in _containers():
        variables = container.get("environment", {})
        for named, value in variables.items():
            assert not LITERAL_PASSWORD.search(value), f"{name}: {named}"
            if SECRET.search(named):
                assert "${" in value, f"{name}: {named}"
        if name in OURS:
            assert set(variables) <= _settings() | STORE | JOB_OPTIONS


def test_the_printed_env_is_what_compose_asks_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = [_printed(["prepare", "keys", "--home", str(tmp_path)], capfd) for _ in range(2)]
    assert printed[0] == printed[1], "keys are made once"
    variables = dotenv(printed[0])
    assert set(variables) == compose_variables()
    assert all(variables.values())
    assert set(dotenv((ROOT / ".env.example").read_text())) == set(variables)
    assert not any(dotenv((ROOT / ".env.example").read_text()).values())
    assert variables["MEMORYGUARD_AUDIT_SIGNING_KEY"].count("\n") == 3
    assert (tmp_path / "keys" / "deployment.json").stat().st_mode & 0o777 == 0o600


def _printed(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    app(arguments, result_action="return_value")
    return capfd.readouterr().out


def _settings() -> set[str]:
    return {
        variable(cls, name, f)
        for cls, _ in documents.settings_classes()
        for name, f in cls.model_fields.items()
    }


# --- Kubernetes ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["dev", "prod"])
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Json]]:
    return request.param, rendered(request.param)


@pytest.mark.slow
def test_manifests_are_valid(overlay: tuple[str, list[Json]]) -> None:
    import kubernetes_validate

    for manifest in overlay[1]:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)


@pytest.mark.slow
def test_no_secret_is_in_the_manifests(overlay: tuple[str, list[Json]]) -> None:
    _, manifests = overlay
    assert not [m for m in manifests if m["kind"] == "Secret"]
    for name, pod in pods(manifests).items():
        for container in pod["spec"]["containers"]:
            for each in container.get("env", []):
                if SECRET.search(each["name"]) and each["name"] not in JOB_OPTIONS:
                    assert "secretKeyRef" in each["valueFrom"], f"{name}: {each['name']}"
                assert not LITERAL_PASSWORD.search(each.get("value", "")), name


@pytest.mark.slow
def test_every_container_is_confined_bounded_and_watched(
    overlay: tuple[str, list[Json]],
) -> None:
    _, manifests = overlay
    for name, pod in pods(manifests).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            _confined(name, container)
            if "prepare" in name:
                continue
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name
            if container["name"] == "service":
                assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
                assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
                assert spec["terminationGracePeriodSeconds"] > DRAIN_S


def _confined(name: str, container: Json) -> None:
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] or name == "kafka"  # its image writes its settings
    for bound in ("requests", "limits"):
        assert {"cpu", "memory"} <= set(container["resources"][bound]), name
    assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]+", container["image"]), name


@pytest.mark.slow
def test_selectors_find_the_pods_of_one_service_each(overlay: tuple[str, list[Json]]) -> None:
    _, manifests = overlay
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    kinds = ("Service", "PodDisruptionBudget", "Deployment", "StatefulSet")
    for manifest in manifests:
        name = manifest["metadata"]["name"]
        if manifest["kind"] in kinds:
            selector = manifest["spec"]["selector"]
            assert _found(selector.get("matchLabels", selector), labels) == [name]
        if manifest["kind"] == "Deployment":
            for spread in manifest["spec"]["template"]["spec"]["topologySpreadConstraints"]:
                assert _found(spread["labelSelector"]["matchLabels"], labels) == [name]
        if manifest["kind"] == "HorizontalPodAutoscaler":
            assert manifest["spec"]["scaleTargetRef"]["name"] in labels


def _found(selector: dict[str, str], labels: dict[str, dict[str, str]]) -> list[str]:
    assert selector
    return [name for name, has in labels.items() if selector.items() <= has.items()]


@pytest.mark.slow
def test_every_service_has_what_it_needs_and_the_front_reaches_it(
    overlay: tuple[str, list[Json]],
) -> None:
    name, manifests = overlay
    there = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    for service in SERVICES:
        for kind in ("Deployment", "Service", "PodDisruptionBudget"):
            assert (kind, f"memoryguard-{service}") in there
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (ingress,) = (m for m in manifests if m["kind"] == "Ingress")
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    backends = {path["backend"]["service"]["name"] for path in paths}
    assert {("Service", backend) for backend in backends} <= there
    (allowed,) = policies["from-front"]["podSelector"]["matchExpressions"]
    assert {f"memoryguard-{each}" for each in allowed["values"]} == backends
    scaled = {m["metadata"]["name"] for m in manifests if m["kind"] == "HorizontalPodAutoscaler"}
    for deployment in (m for m in manifests if m["kind"] == "Deployment"):
        # Somebody decides how many there are: never both, and in prod never nobody.
        decided = "replicas" in deployment["spec"]
        assert decided != (deployment["metadata"]["name"] in scaled) or name == "dev"


@pytest.mark.slow
def test_dev_runs_exactly_what_compose_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = ["prepare", "keys", "--home", str(tmp_path)]
    described = compose(dotenv(_printed(keys, capfd)))["services"]
    secrets = documents.json.loads(_printed([*keys, "--kubernetes"], capfd))["items"]
    manifests = [*rendered("dev"), *secrets]
    running = pods(manifests)
    for name in OURS:
        container = running[f"memoryguard-{name}"]["spec"]["containers"][0]
        assert container["image"] == described[name]["image"]
        assert container.get("args") == described[name].get("command")
        assert "command" not in container
        environment = environment_of(container, manifests)
        wanted = {k: v for k, v in described[name]["environment"].items() if v}
        assert {k: environment[k] for k in wanted} == wanted
    for name in ("kafka", "postgres", "objects"):
        container = running[name]["spec"]["containers"][0]
        assert container["image"] == described[name]["image"]
        assert container.get("args") == described[name].get("command")
        data = {"KAFKA_LOG_DIRS": "/var/lib/kafka/data/log"} if name == "kafka" else {}
        assert environment_of(container, manifests) == described[name]["environment"] | data


@pytest.mark.slow
def test_prod_sets_what_services_read_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from memoryguard.common.runtime.settings import read_settings

    keys = ["prepare", "keys", "--home", str(tmp_path), "--kubernetes"]
    manifests: list[Any] = [
        *rendered("prod"),
        *documents.json.loads(_printed(keys, capfd))["items"],
    ]
    running = pods(manifests)
    own = {"DATABASE_PASSWORD", "DATABASE_ADDRESS"}  # what the address is put together from
    for name in SERVICES:
        (container,) = running[f"memoryguard-{name}"]["spec"]["containers"]
        assert stage_of(container["image"]) == name
        environment = environment_of(container, manifests)
        assert set(environment) <= _settings() | STORE | own, name
        assert ("MEMORYGUARD_AUDIT_SIGNING_KEY" in environment) == (name == "audit")
        assert ("MEMORYGUARD_IDENTITY_KEY" in environment) == (name == "ingest")
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            settings = read_settings()
        url = settings.database_url.get_secret_value()
        assert url.startswith(f"postgresql://memoryguard_{name}:")
        assert settings.kafka.servers and settings.storage.startswith("s3://")
        # It is the production profile, and holds: TLS ends at the ingress, Kafka speaks it.
        served = settings.model_copy(update={"host": "0.0.0.0"})
        check_transport(served)
        with pytest.raises(Misconfigured, match="plaintext_http"):
            check_transport(served.model_copy(update={"behind_proxy": False}))


def test_every_service_of_the_flow_is_in_every_table() -> None:
    assert {p.name for p in (KUBERNETES / "services").iterdir()} == set(SERVICES)
    assert set(SERVICES) <= set(compose()["services"])
