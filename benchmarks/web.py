# SPDX-License-Identifier: Apache-2.0
"""How fast a result comes and turns in a real browser, beside OHIF Viewer showing the same scan.

A platform measures the synthetic sample; Chromium opens its result, then a peer with the same
series: OHIF as it is published, on a real Orthanc. By turns, each load by a new browser with
nothing in its cache. Both are served by this process, compressed alike. What either shows at a
moment differs, and the tables say so: numbers and surfaces here, a slice there. Then the picture
is turned, with the name of what drew it: with a graphics processor, ``--headed`` on its screen
measures that. Slowed: processor time divided by four, a network of 10 Mbit/s and 40 ms.

    python benchmarks/web.py [--rounds 5] [--no-peer] [--headed] [--json FILE]

Needs Node, Chromium and what ``make web`` installs; the peer also npm's registry (48 MB, kept in
``.cache``) and Orthanc.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import mimetypes
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pydicom
from aiohttp import web
from intakes import Http, Orthanc, orthanc
from report import Result, machine, middle_and_range, say, table

from memoryguard.cli.home import make_home
from memoryguard.cli.sample import make_sample
from memoryguard.cli.up import platform
from memoryguard.client import AsyncClient

ROOT = Path(__file__).resolve().parents[1]
SLOWED = {"cpu": 4, "latencyMs": 40, "bytesPerS": 10e6 / 8}
TURNING_S = 5.0
VIEWER = "scene-"
"""Begins the name of the script that draws surfaces; all others come before it, or without it."""

PEER_VERSION = "3.13.2"
PEER_INTEGRITY = (
    "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F"
    "87BKxFfpq+jd5xXZB9E8EA=="
)
PEER_FOLDER = ROOT / ".cache" / "peers" / f"ohif-{PEER_VERSION}"
PEER_SETTINGS = {
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "defaultDataSourceName": "orthanc",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "orthanc",
            "configuration": {
                "friendlyName": "Orthanc", "name": "orthanc", "imageRendering": "wadors",
                "qidoRoot": "/dicom-web", "wadoRoot": "/dicom-web", "wadoUriRoot": "/dicom-web",
                "enableStudyLazyLoad": True, "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}  # fmt: skip
MARKS = (
    ("first paint", "first-paint"),
    ("first contentful paint", "first-contentful-paint"),
    ("largest contentful paint", "largest-contentful-paint"),
    ("a measured volume is shown", "number"),
    ("the head is shown", "picture"),
)


class Unanswered(Exception):
    """A page answers nothing within the time that web/browser/speed.mjs grants it."""


@dataclass(frozen=True)
class Page:
    """What is opened.

    Parameters
    ----------
    name
        In the tables.
    url
        Where it is.
    anna
        Signs in; None where nobody needs to.
    number
        Selects the elements of which one shows a volume; None where none is shown.
    button
        Sets the picture turning by itself; None where there is none.
    """

    name: str
    url: str
    anna: AsyncClient | None = None
    number: str | None = None
    button: str | None = None

    async def load(
        self, *, slowed: bool = False, turning_s: float = 0, headed: bool = False
    ) -> Result:
        """Open it in a new browser, once: what web/browser/speed.mjs prints.

        Raises
        ------
        Unanswered
            It draws too slowly to be told anything.
        """
        link = None
        if self.anna:
            session = await self.anna.send("POST", "/api/v1/sessions", {"path": "/"})
            link = f"{self.url.partition('/imaging')[0]}{session['url_path']}"
        plan = {
            "url": self.url, "link": link, "number": self.number, "button": self.button,
            "turningS": turning_s, "slowed": SLOWED if slowed else None, "headed": headed,
        }  # fmt: skip
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(plan, file)
            file.flush()
            command = ["node", "browser/speed.mjs", file.name]
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=ROOT / "web", capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: not measured: {done.stderr}")
        load = json.loads(done.stdout)
        if load is None:
            raise Unanswered(self.name)
        return load


def result_page(url: str, scan: str, anna: AsyncClient) -> Page:
    """Give the page of a result."""
    return Page("ours", f"{url}/imaging/{scan}", anna, number=".tile", button="Turn")


def script_bytes(load: Result, *, viewer: bool) -> int:
    """Bytes of JavaScript on the way, with the viewer or without it."""
    return sum(each["bytes"] for each in load["scripts"] if viewer or VIEWER not in each["name"])


@asynccontextmanager
async def ours(folder: Path) -> AsyncGenerator[tuple[Page, Path]]:
    """Run a platform with a measured scan; give the page of its result, and its series.

    Raises
    ------
    SystemExit
        There is no Node, or the application was not built.
    """
    if shutil.which("node") is None or not (ROOT / "web" / "node_modules").is_dir():
        raise SystemExit("not measured: no web application here (make web)")
    home, person = make_home(folder / "home"), make_sample(folder / "sample")
    token = home.issuer().issue("anna", ["patient"])
    async with platform(home) as running, AsyncClient(running.url, token) as anna:
        uploaded = await anna.upload(person.scans[0])
        scan = str(uploaded["imaging_id"])
        states = [status async for status in anna.watch(scan)]
        if states[-1]["status"] != "completed":
            raise SystemExit(f"not measured: the scan is {states[-1]['status']}")
        yield result_page(running.url, scan, anna), person.scans[0]


@asynccontextmanager
async def peer(folder: Path, series: Path) -> AsyncGenerator[tuple[Page, Page]]:
    """Run OHIF on an Orthanc that holds the series; its viewer as it opens, and its 3D alone."""
    dist = _installed()
    async with AsyncExitStack() as stack:
        archive = stack.enter_context(orthanc(folder))
        study = await asyncio.to_thread(_stored, archive, series)
        url = await stack.enter_async_context(_served(dist, archive))
        viewer = f"{url}/viewer?StudyInstanceUIDs={study}"
        yield (
            Page(f"OHIF {PEER_VERSION}", viewer),
            Page(f"OHIF {PEER_VERSION}, 3D", f"{viewer}&hangingProtocolId=only3D"),
        )


def _installed() -> Path:
    """Fetch what the peer publishes on npm, built, unless it is there."""
    if not PEER_FOLDER.is_dir():
        say(f"fetching OHIF {PEER_VERSION}")
        PEER_FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PEER_FOLDER.parent) as folder:
            packed = subprocess.run(
                ["npm", "pack", "--json", f"@ohif/app@{PEER_VERSION}"],
                cwd=folder, capture_output=True, text=True, check=True,
            )  # fmt: skip
            (told,) = json.loads(packed.stdout)
            if told["integrity"] != PEER_INTEGRITY:
                raise SystemExit("not measured: OHIF's package is not the one that was measured")
            with tarfile.open(Path(folder) / told["filename"]) as files:
                files.extractall(folder, filter="data")
            (Path(folder) / "package").rename(PEER_FOLDER)
    return PEER_FOLDER / "dist"


def _stored(archive: Orthanc, series: Path) -> str:
    http = Http(archive.port)
    files = sorted(series.iterdir())
    for path in files:
        http.post("/instances", path.read_bytes(), {})
    http.close()
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


@asynccontextmanager
async def _served(dist: Path, archive: Orthanc) -> AsyncGenerator[str]:
    """Serve the peer's files, compressed once as ours are, and the archive beside them."""
    zipped: dict[Path, bytes] = {}
    settings = f"window.config = {json.dumps(PEER_SETTINGS)};"

    async def file(request: web.Request) -> web.Response:
        if request.path == "/app-config.js":
            return web.Response(text=settings, content_type="text/javascript")
        path = dist / request.path.lstrip("/")
        path = path if path.is_file() else dist / "index.html"
        if path not in zipped:
            zipped[path] = gzip.compress(path.read_bytes())
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=zipped[path], content_type=kind, headers=headers)

    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def passed_on(request: web.Request) -> web.Response:
            url = f"http://127.0.0.1:{archive.port}{request.rel_url}"
            headers = {"Accept": request.headers.get("Accept", "*/*"), "Accept-Encoding": "gzip"}
            async with session.get(url, headers=headers) as response:
                kept = {
                    name: value
                    for name, value in response.headers.items()
                    if name in ("Content-Type", "Content-Encoding")
                }
                body = await response.read()
                return web.Response(status=response.status, body=body, headers=kept)

        app = web.Application()
        app.router.add_get("/dicom-web/{rest:.*}", passed_on)
        app.router.add_get("/{rest:.*}", file)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


async def run(rounds: int, *, with_peer: bool, headed: bool) -> Result:
    """Open the pages by turns; the first load of each makes servers warm and is not counted."""
    result: Result = {"machine": machine(), "loads": [], "turning": []}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="w")))
        mine, series = await stack.enter_async_context(ours(folder))
        shown, turning = [mine], [mine]
        if with_peer:
            others = await stack.enter_async_context(peer(folder / "orthanc", series))
            shown, turning = [mine, others[0]], [mine, others[1]]
        for number in range(rounds + 1):
            say(f"web: round {number} of {rounds}")
            for slowed in (False, True):
                for page in shown:
                    load = await page.load(slowed=slowed, headed=headed)
                    if number:
                        result["loads"].append({"page": page.name, "slowed": slowed, **load})
        for page in turning:
            say(f"web: turning, {page.name}")
            try:
                turned = (await page.load(turning_s=TURNING_S, headed=headed))["turned"]
            except Unanswered:
                turned = None
            result["turning"].append({"page": page.name, "turned": turned})
    return result


def show(result: Result) -> None:
    """Print the tables."""
    print("## Web application")
    print(f"\n{json.dumps(result['machine'])}")
    loads = result["loads"]
    pages = list(dict.fromkeys(load["page"] for load in loads))
    print(f"\nChromium {loads[0]['chromium']}; drawn by {loads[0]['renderer']}.")
    for slowed in (False, True):
        of = {p: [x for x in loads if (x["page"], x["slowed"]) == (p, slowed)] for p in pages}
        rows = [
            (label, *(_seconds([x["marks"].get(mark) for x in of[page]]) for page in pages))
            for label, mark in MARKS
        ]
        rounds = len(of[pages[0]])
        what = f"s, median (range) of {rounds}{', slowed' if slowed else ''}"
        table((what, *pages), rows)
    weights = [
        (label, *(_weight(next(x for x in loads if x["page"] == p), viewer=v) for p in pages))
        for label, v in (("before its viewer", False), ("with it", True))
    ]
    table(("JavaScript on the way, gzipped, kB", *pages), weights)
    rows = [row for each in result["turning"] for row in _turned(each)]
    table(("turning", "frames/s", "draw calls a frame", "triangles a frame"), rows)


def _seconds(milliseconds: Sequence[float | None]) -> str:
    known = [each / 1000 for each in milliseconds if each is not None]
    return middle_and_range(known) if known else "—"


def _weight(load: Result, *, viewer: bool) -> str:
    apart = any(VIEWER in each["name"] for each in load["scripts"])
    return f"{script_bytes(load, viewer=viewer) / 1e3:.0f}" if apart or viewer else "—"


def _turned(each: Result) -> list[tuple[str, str, str, str]]:
    if each["turned"] is None:
        return [(each["page"], "no answer", "", "")]
    return [
        (
            f"{each['page']}, {how}",
            f"{found['frames'] / found['seconds']:.1f}",
            f"{found['drawCalls']:.0f}",
            f"{found['triangles']:.0f}",
        )
        for how, key in (("by itself", "alone"), ("by hand", "hand"))
        if (found := each["turned"][key])
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true", help="our own page alone")
    parser.add_argument("--headed", action="store_true", help="in a window on this screen")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = asyncio.run(run(args.rounds, with_peer=not args.no_peer, headed=args.headed))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
