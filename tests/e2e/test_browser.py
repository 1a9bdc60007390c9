# SPDX-License-Identifier: Apache-2.0
"""The web application in a real browser: what a patient, a caregiver and an officer do with it.

Each visit is a file of web/browser, run by Node: ``<name>.visit.mjs``. Pictures that it takes are
left in ``build/pictures``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from deployment import ROOT, program
from identity_provider import CLIENT, SECRET, WHO, IdentityProvider
from web import result_page, script_bytes

from memoryguard.api.provider import CALLBACK
from memoryguard.cli.home import make_home
from memoryguard.cli.sample import make_ct, make_sample
from memoryguard.cli.up import platform
from memoryguard.client import AsyncClient
from memoryguard.common.testing.broker import HOST, free_port
from memoryguard.common.testing.databases import fresh_database

WEB = ROOT / "web"
VISITS = sorted(path.name.removesuffix(".visit.mjs") for path in WEB.glob("browser/*.visit.mjs"))
PICTURES = ROOT / "build" / "pictures"
USERS = {"anna": "patient", "carl": "caregiver", "dora": "clinician", "olga": "compliance"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncGenerator[int]:
    """Where the platform will listen, at which an identity provider's people may sign in.

    The provider is ``localhost``: to a browser another site than ``127.0.0.1``.
    """
    port, provider = free_port(), IdentityProvider()
    async with TestServer(provider.app()) as server:
        provider.url = f"http://localhost:{server.port}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MEMORYGUARD_OIDC_ISSUER", provider.url)
            patch.setenv("MEMORYGUARD_API_OIDC_CLIENT_ID", CLIENT)
            patch.setenv("MEMORYGUARD_API_OIDC_CLIENT_SECRET", SECRET)
            back = f"http://{HOST}:{port}{CALLBACK}"
            patch.setenv("MEMORYGUARD_API_OIDC_REDIRECT_URL", back)
            patch.setenv("MEMORYGUARD_API_CLINICIANS_SEE", "granted")
            yield port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, port: int
) -> AsyncGenerator[Path]:
    """A platform with a person's first scan and her second one beside it, told of in a file."""
    program("node")
    assert (WEB / "node_modules").is_dir(), "make web"
    folder = tmp_path_factory.mktemp("browser")
    home, person = make_home(folder / "home"), make_sample(folder / "sample")
    issuer = home.issuer()
    tokens = {user: issuer.issue(user, [role]) for user, role in USERS.items()}
    first, second = [folder / "sample" / scan["folder"] for scan in person.document["scans"]]
    tomography = make_ct(folder / "tomography")
    async with (
        fresh_database(postgres_url) as url,
        platform(home, database_url=url, port=port) as running,
        AsyncClient(running.url, tokens["anna"]) as anna,
    ):
        await anna.send("PUT", "/api/v1/users/anna/health-metrics", person.document["health"])
        uploaded = await anna.upload(first)
        scan_id = str(uploaded["imaging_id"])
        states = [status async for status in anna.watch(scan_id)]
        assert states[-1]["status"] == "completed"
        visit = folder / "visit.json"
        visit.write_text(
            json.dumps(
                {
                    "url": running.url,
                    "tokens": tokens,
                    "scan": scan_id,
                    "second": str(second),
                    "tomography": str(tomography),
                    "zip": shutil.make_archive(str(tomography), "zip", tomography),
                    "from_provider": WHO,
                    "pictures": str(PICTURES),
                }
            )
        )
        yield visit


@pytest.mark.parametrize("name", VISITS)
async def test_a_visit(known: Path, name: str) -> None:
    command = ["node", "--test", "--test-reporter=spec", f"browser/{name}.visit.mjs"]
    environment = os.environ | {"MEMORYGUARD_VISIT": str(known)}
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=WEB, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


async def test_a_result_weighs_little_before_its_viewer(known: Path) -> None:
    """Once, what benchmarks/web.py does; its times are not judged on a busy machine."""
    told = json.loads(await asyncio.to_thread(known.read_text))
    async with AsyncClient(told["url"], told["tokens"]["anna"]) as anna:
        load = await result_page(told["url"], told["scan"], anna).load(turning_s=0.5)
    assert 0 < script_bytes(load, viewer=False) < min(1_000_000, script_bytes(load, viewer=True))
    assert {"first-contentful-paint", "number", "picture"} <= load["marks"].keys()
    assert load["turned"]["alone"]["triangles"] > 10_000
