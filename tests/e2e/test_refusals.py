# SPDX-License-Identifier: Apache-2.0
"""Bad input against the running platform with its real engine: a coded refusal, never a number."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from series import small_series

from memoryguard.cli.dicom_series import write_series
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.sample import make_ct, make_noise
from memoryguard.cli.up import Running, platform
from memoryguard.client import ApiError, AsyncClient
from memoryguard.common.testing.databases import fresh_database

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncGenerator[tuple[Home, Running]]:
    home = make_home(tmp_path_factory.mktemp("refusals") / "home")
    async with (
        fresh_database(postgres_url) as url,
        platform(home, database_url=url) as running,
    ):
        yield home, running


def not_dicom(folder: Path) -> Path:
    folder.mkdir()
    (folder / "letter.dcm").write_bytes(b"Dear doctor, " * 100)
    return folder


def empty(folder: Path) -> Path:
    folder.mkdir()
    (folder / "empty.dcm").touch()
    return folder


def truncated(folder: Path) -> Path:
    first = sorted(small_series(folder).glob("*"))[0]
    first.write_bytes(first.read_bytes()[:-200])
    return folder


def ball(folder: Path) -> Path:
    """A valid T1 series of something that is no head: a bright ball, twenty centimetres wide."""
    index = np.indices((160, 200, 200)) - np.array([80, 100, 100])[:, None, None, None]
    voxels = np.where((index**2).sum(0) < 90**2, 600, 5).astype(np.int16)
    voxels += np.random.default_rng(1).integers(0, 20, voxels.shape, dtype=np.int16)
    tags = _tags_of(small_series(folder.parent / "tags"))
    write_series(folder, voxels, np.diag([1.0, 1.0, 1.0, 1.0]), tags)
    return folder


def _tags_of(series: Path) -> dict[str, object]:
    from pydicom import dcmread

    dataset = dcmread(sorted(series.glob("*"))[0], stop_before_pixels=True)
    geometry = ("Image", "Pixel", "Slice", "Spacing", "Rows", "Columns", "Bits", "High", "SOPInst")
    image_type = {"ImageType": ["ORIGINAL", "PRIMARY"]}
    kept = {
        element.keyword: element.value
        for element in dataset
        if element.keyword and not element.keyword.startswith(geometry)
    }
    return kept | image_type


AT_THE_DOOR: list[tuple[Callable[[Path], Path], str]] = [
    (not_dicom, "not_dicom"),
    (empty, "empty_upload"),
    (truncated, "truncated_file"),
    (make_ct, "unsupported_modality"),
]


@pytest.mark.parametrize(("make", "code"), AT_THE_DOOR, ids=lambda v: getattr(v, "__name__", v))
async def test_refused_at_the_door_over_http_and_on_the_command_line(
    place: tuple[Home, Running], tmp_path: Path, make: Callable[[Path], Path], code: str
) -> None:
    home, running = place
    folder = make(tmp_path / "upload")
    async with AsyncClient(running.url, home.issuer().issue("p", ["patient"])) as person:
        with pytest.raises(ApiError) as refused:
            await person.upload(folder)
    assert refused.value.code == code
    token = home.issuer().issue("p", ["patient"])
    ended = await _cli("upload", str(folder), "--url", running.url, "--token", token)
    assert ended.returncode == 3
    assert ended.stderr.strip().startswith(f"memoryguard: {code}: ")
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_noise, ball], ids=["noise", "ball"])
async def test_what_is_no_head_is_refused_after_a_look(
    place: tuple[Home, Running], tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    home, running = place
    user = make.__name__
    async with AsyncClient(running.url, home.issuer().issue(user, ["patient"])) as person:
        uploaded = await person.upload(make(tmp_path / "upload"))
        scan_id = str(uploaded["imaging_id"])
        statuses = [status async for status in person.watch(scan_id)]
        document: dict[str, Any] = await person.get(f"/api/v1/imaging/{scan_id}/analysis")
    assert statuses[-1]["status"] == "failed"
    assert document["quality"]["verdict"] == "refused"
    assert document["quality"]["reasons"][0]["code"]
    assert all(value is None for value in document["volumes_mm3"].values())
    assert document["risk"] is None


@pytest.mark.parametrize("token", ["", "nonsense", "other"])
async def test_a_wrong_token_is_refused(
    place: tuple[Home, Running], tmp_path: Path, token: str
) -> None:
    _, running = place
    if token == "other":
        token = make_home(tmp_path / "elsewhere").issuer().issue("p", ["patient"])
    async with AsyncClient(running.url, token) as stranger:
        with pytest.raises(ApiError) as refused:
            await stranger.upload(small_series(tmp_path / "scan"))
    assert refused.value.code == "invalid_token"


async def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memoryguard.cli", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
