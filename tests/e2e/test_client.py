# SPDX-License-Identifier: Apache-2.0
"""Both clients against a running platform, only its measuring a stand-in; and bad networks."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import stub_measure
from aiohttp import web
from aiohttp.test_utils import TestServer
from in_thread import InThread
from report_samples import empty_files
from series import small_series

from memoryguard.cli.home import make_home
from memoryguard.cli.up import every_recipe, platform
from memoryguard.client import ApiError, AsyncClient, Client
from memoryguard.client.methods import Methods
from memoryguard.common.runtime.run import Recipe
from memoryguard.common.testing.databases import fresh_database
from memoryguard.processor.extract import Extract
from memoryguard.processor.service import recipe as processor

CLIENT_MD = Path(__file__).parents[2] / "docs" / "CLIENT.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


def in_thread(recipe: Recipe) -> Recipe:
    async def build(platform: Any, stack: Any) -> Any:
        return await recipe.build(replace(platform, processes=InThread()), stack)

    return replace(recipe, build=build)


def measured(archive: bytes, threads: int) -> Extract:
    """Constant volumes, and files that a report can be made of."""
    files = empty_files()
    return replace(
        stub_measure.constant(archive, threads),
        stripped_nifti=files["brain.nii.gz"],
        labels_nifti=files["labels.nii.gz"],
        meshes_glb=files["structures.glb"],
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@dataclass
class Place:
    url: str
    token: Callable[..., str]
    scan: str
    folder: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[Place]:
    """A platform with one person's scan, measured."""
    folder = tmp_path_factory.mktemp("client")
    home = make_home(folder / "home")
    stub = processor(measured, stub_measure.drawn)
    recipes = [in_thread(stub if r.name == "processor" else r) for r in every_recipe()]

    def token(user: str = "anna", *roles: str) -> str:
        return home.issuer().issue(user, [*roles] or ["patient"])  # type: ignore[list-item]

    async with (
        fresh_database(postgres_url) as url,
        platform(home, database_url=url, recipes=recipes) as running,
        AsyncClient(running.url, token()) as anna,
    ):
        series = small_series(folder / "scan", patient="anna")
        taken = await anna.upload(series)
        scan = taken["scans"][0]["imaging_id"]
        assert (await anna.wait(scan))["status"] == "completed"
        yield Place(running.url, token, scan, series)


async def blocking(url: str, token: str, call: Callable[[Any], Any]) -> Any:
    """Do something with the client that blocks, beside the loop that serves it."""

    def run() -> Any:
        with Client(url, token) as client:
            found = call(client)
            return list(found) if inspect.isgenerator(found) else found

    return await asyncio.to_thread(run)


async def awaited(url: str, token: str, call: Callable[[Any], Any]) -> Any:
    async with AsyncClient(url, token) as client:
        found = call(client)
        return [each async for each in found] if inspect.isasyncgen(found) else await found


Way = Callable[[str, str, Callable[[Any], Any]], Awaitable[Any]]
WAYS = pytest.mark.parametrize("way", [blocking, awaited])


def _outcome(error_or_answer: Any) -> Any:
    if isinstance(error_or_answer, ApiError):
        e = error_or_answer
        return e.code, e.status, e.message, e.hint
    return error_or_answer


async def tried(way: Way, *arguments: Any) -> Any:
    try:
        return _outcome(await way(*arguments))
    except ApiError as error:
        return _outcome(error)


SAME: dict[str, tuple[tuple[str, ...], Callable[[Any, Place], Any]]] = {
    "status": ((), lambda c, p: c.status(p.scan)),
    "analysis": ((), lambda c, p: c.analysis(p.scan)),
    "proof": ((), lambda c, p: c.analysis(p.scan, proof=True)["proof"]["events"]),
    "scans": ((), lambda c, p: c.scans(page=1)),
    "no such status": ((), lambda c, p: c.scans(status="lost")),
    "watch": ((), lambda c, p: c.watch(p.scan)),
    "wait": ((), lambda c, p: c.wait(p.scan)),
    "consents": ((), lambda c, p: c.consents()),
    "log_key": ((), lambda c, p: c.log_key()),
    "worklist": (("clinician",), lambda c, p: c.worklist()),
    "entries": (("compliance",), lambda c, p: c.entries_of_scan("none")),
    "entry": (("compliance",), lambda c, p: c.entry(0)),
    "get": ((), lambda c, p: c.get("/api/v1/imaging")),
    "not found": ((), lambda c, p: c.status("nothing/../here")),
    "not allowed": ((), lambda c, p: c.erase("bert")),
    "no such patient": (("clinician",), lambda c, p: c.discard_patient("nobody")),
    "own account": ((), lambda c, p: c.invite("anna")),
    "upload again": ((), lambda c, p: c.upload(p.folder)),
    "no such file": ((), lambda c, p: c.upload(p.folder / "none")),
    "bad invitation": (("caregiver",), lambda c, p: c.accept(code="never given")),
}


@pytest.mark.parametrize("name", [name for name in SAME if name != "proof"])
async def test_both_clients_give_the_same(place: Place, name: str) -> None:
    roles, call = SAME[name]
    found = [
        await tried(way, place.url, place.token("anna", *roles), lambda c: call(c, place))
        for way in (blocking, awaited)
    ]
    assert found[0] == found[1]
    assert found[0]


async def test_both_have_every_method_documented() -> None:
    names = [name for name in vars(Methods) if not name.startswith("_")]
    assert len(names) > 25
    for name in names:
        described = vars(Methods)[name].__doc__
        assert described and described[0].isupper(), name


@WAYS
async def test_the_list_is_filtered(place: Place, way: Way) -> None:
    day = datetime(2020, 1, 1)  # noqa: DTZ001  # of wherever this runs

    async def found(**wanted: Any) -> list[str]:
        scans = await way(place.url, place.token(), lambda c: c.scans("anna", **wanted))
        return [scan["imaging_id"] for scan in scans]

    assert await found(name=place.scan.upper(), status="completed", since=day) == [place.scan]
    assert await found(until=day) == await found(severity="severe") == []


@WAYS
async def test_a_scan_goes_in_and_comes_out(place: Place, tmp_path: Path, way: Way) -> None:
    user, reached = way.__name__, list[int]()
    folder = small_series(tmp_path / "scan", seed=hash(user) % 1000, patient=user)
    token = place.token(user)
    sizes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    receipt = await way(
        place.url, token, lambda c: c.upload(folder, reached=lambda n: reached.append(n))
    )
    assert (reached[0], reached[-1]) == (0, sizes)
    scan = receipt["scans"][0]["imaging_id"]
    statuses = await way(place.url, token, lambda c: c.watch(scan))
    assert statuses[-1]["status"] == "completed"
    artifacts = (await way(place.url, token, lambda c: c.analysis(scan)))["artifacts"]
    assert artifacts
    for name, artifact in artifacts.items():
        written = await way(place.url, token, lambda c, n=name: c.download(scan, n, tmp_path / n))
        assert written.stat().st_size == artifact["bytes"]
    assert not any(name.endswith(".part") for name in names(tmp_path))


async def test_the_examples_of_the_documentation_run(place: Place, tmp_path: Path) -> None:
    blocks = BLOCK.findall(CLIENT_MD.read_text())
    assert len(blocks) == 5
    given = {"url": place.url, "token": place.token(), "folder": place.folder, "into": tmp_path}

    def run() -> None:
        for block in blocks:
            exec(compile(block, str(CLIENT_MD), "exec"), given)

    await asyncio.to_thread(run)
    assert names(tmp_path)


@pytest.mark.parametrize(
    ("form", "name", "begins"),
    [
        ("pdf", "{}.pdf", b"%PDF-"),
        ("plain", "{}.plain.pdf", b"%PDF-"),
        ("fhir", "{}.fhir.json", b'{"resourceType": "Bundle"'),
        ("csv", "{}.csv", b"id,person,"),
    ],
)
async def test_the_command_line_writes_a_document(
    place: Place, tmp_path: Path, form: str, name: str, begins: bytes
) -> None:
    command = (
        sys.executable, "-m", "memoryguard.cli", "report", place.scan, "--as", form,
        "--out", str(tmp_path), "--url", place.url, "--token", place.token(), "--json",
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    written = tmp_path / name.format(place.scan)
    assert (process.returncode, json.loads(printed)) == (0, {"file": str(written)})
    assert written.read_bytes().startswith(begins)
    assert names(tmp_path) == [written.name]


# --- refusals ------------------------------------------------------------------------------------


@WAYS
async def test_refusals_say_what_to_do(place: Place, tmp_path: Path, way: Way) -> None:
    (tmp_path / "letter.dcm").write_bytes(b"Dear doctor, " * 100)
    with pytest.raises(ApiError) as refused:
        await way(place.url, place.token(), lambda c: c.upload(tmp_path))
    assert (refused.value.code, refused.value.is_refusal) == ("not_dicom", True)
    assert refused.value.details["files"]
    with pytest.raises(ApiError) as strange:
        await way(place.url, "nonsense", lambda c: c.status(place.scan))
    assert strange.value.status == 401
    with pytest.raises(ApiError) as nothing:
        await way(place.url, place.token(), lambda c: c.download(place.scan, "x", tmp_path / "x"))
    assert nothing.value.code == "no_such_artifact"
    with pytest.raises(ApiError) as unknown:
        await way(place.url, place.token(), lambda c: c.report("none", tmp_path / "x", "csv"))
    assert (unknown.value.code, names(tmp_path)) == ("not_found", ["letter.dcm"])


@WAYS
async def test_nobody_there(way: Way, tmp_path: Path) -> None:
    for call in (lambda c: c.status("x"), lambda c: c.erase("x")):
        with pytest.raises(ApiError) as gone:
            await way("http://127.0.0.1:9", "t", call)
        assert (gone.value.code, gone.value.status, gone.value.is_away) == ("no_answer", None, True)


# --- bad networks --------------------------------------------------------------------------------


@asynccontextmanager
async def serving(**answers: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """Serve answers by the last part of the path, and count what is asked."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        asked.append((request.method, name))
        return await answers[name](request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


ONE = {"imaging_id": "one", "status": "processing", "stage": None, "stages": {}}
DONE = ONE | {"status": "completed"}


def says(*documents: Any, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answer with one document after the other, and then with the last."""
    left = list(documents)

    async def answer(request: web.Request) -> web.Response:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, web.Response):
            return found
        return web.json_response(found, status=status)

    return answer


async def broken_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"only so much")
    assert request.transport
    request.transport.close()
    return response


@WAYS
async def test_a_busy_platform_is_asked_again_when_it_says(way: Way) -> None:
    busy = {"code": "too_many_requests", "title": "too many", "hint": "wait"}

    def refused() -> web.Response:
        return web.json_response(busy, status=429, headers={"Retry-After": "0"})

    async with serving(status=says(refused(), ONE), x=says(refused(), refused(), {})) as (url, log):
        assert await way(url, "t", lambda c: c.status("one")) == ONE
        assert await way(url, "t", lambda c: c.erase("x")) == {}  # it was not begun
    assert len(log) == 5


@WAYS
async def test_what_is_not_safe_is_not_sent_twice(way: Way) -> None:
    away = {"code": "database_away", "title": "away", "hint": ""}
    for answer in (says(away, status=503), broken_off):
        async with serving(x=answer) as (url, log):
            with pytest.raises(ApiError) as error:
                await way(url, "t", lambda c: c.erase("x"))
            assert error.value.is_away
            assert log == [("DELETE", "x")]


@WAYS
async def test_a_proxy_without_a_platform_and_nonsense(way: Way) -> None:
    async def proxy(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>bad gateway", headers={"Retry-After": "0"})

    async def nonsense(request: web.Request) -> web.Response:
        return web.Response(text="[1]")

    async with serving(status=proxy, analysis=nonsense) as (url, log):
        with pytest.raises(ApiError, match="no_answer") as error:
            await way(url, "t", lambda c: c.status("one"))
        assert (error.value.status, len(log)) == (502, 4)
        with pytest.raises(ApiError, match="bad_answer"):
            await way(url, "t", lambda c: c.analysis("one"))


@WAYS
async def test_a_truncated_or_changed_download_leaves_no_file(way: Way, tmp_path: Path) -> None:
    async def changed(request: web.Request) -> web.Response:
        return web.Response(body=b"something else")

    artifact = {"path": "", "sha256": "0" * 64, "bytes": 1000}
    document = {"artifacts": {"cut": artifact, "changed": artifact}}
    async with serving(analysis=says(document), cut=broken_off, changed=changed) as (url, _):
        for name, code in (("cut", "no_answer"), ("changed", "wrong_content")):
            with pytest.raises(ApiError, match=code):
                await way(url, "t", lambda c, n=name: c.download("one", n, tmp_path / "file"))
    assert names(tmp_path) == []


def events(*documents: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Say events, one stream after the other; each breaks off after its document."""
    left = list(documents)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        text = f": hello\n\nevent: status\ndata: {json.dumps(left.pop(0))}\n\n".encode()
        await response.write(text[:30])
        await response.write(text[30:])
        assert request.transport
        request.transport.close()
        return response

    return answer


@WAYS
async def test_a_stream_that_breaks_off_is_taken_up_again(way: Way) -> None:
    half = ONE | {"stage": "measured"}
    async with serving(status=says(ONE), events=events(ONE, half, DONE)) as (url, log):
        found = await way(url, "t", lambda c: c.watch("one"))
    assert found == [ONE, half, DONE]
    assert [name for _, name in log] == ["status", "events", "events", "events"]


@WAYS
async def test_where_no_stream_passes_the_status_is_asked_for(way: Way) -> None:
    async with serving(status=says(ONE, DONE), events=says({}, status=405)) as (url, log):
        assert await way(url, "t", lambda c: c.wait("one")) == DONE
        assert [name for _, name in log] == ["status", "events", "status"]
        assert await way(url, "t", lambda c: c.wait("one")) == DONE  # at once


async def test_it_is_light() -> None:
    script = (
        "import sys, time; began = time.process_time(); import memoryguard.client;"
        " print(time.process_time() - began, *sys.modules)"
    )
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    spent, *modules = ran.stdout.split()
    assert float(spent) < 0.15
    assert not {"numpy", "aiohttp", "pydantic", "asyncio", "asyncpg"} & set(modules)
