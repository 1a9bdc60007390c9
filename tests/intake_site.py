# SPDX-License-Identifier: Apache-2.0
"""A running ingest as one new person meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from ingest_samples import (
    series_files,
)
from pydicom.dataset import Dataset

from memoryguard.cli.home import Home, make_home
from memoryguard.cli.up import Running, platform
from memoryguard.common.runtime.database import connect
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.delivery import Here
from memoryguard.ingest.service import RECIPE as INGEST

UPLOAD = "/api/v1/imaging/upload"
STUDIES = "/dicom-web/studies"
DICOM = "application/dicom"


@dataclass
class Site:
    """A running ingest, and one new person."""

    home: Home
    running: Running
    session: aiohttp.ClientSession
    user: str

    @property
    def patient(self) -> str:
        """Number that the files bear."""
        return f"MRN-{self.user}"

    def files(self, *, series: int = 1, **changes: Any) -> list[bytes]:
        def change(ds: Dataset) -> None:
            ds.PatientID = self.patient
            for keyword, value in changes.items():
                setattr(ds, keyword, value)

        return [content for _, content in series_files(change, series=series)]

    async def ask(
        self, method: str, path: str, role: str = "patient", user: str = "", **how: Any
    ) -> tuple[int, Any]:
        token = self.home.issuer().issue(user or self.user, [role])
        headers = {"Authorization": f"Bearer {token}", **how.pop("headers", {})}
        url = self.running.url + path
        async with self.session.request(method, url, headers=headers, **how) as response:
            return response.status, await response.json(content_type=None)

    async def upload(
        self, files: Sequence[bytes | Here], headers: dict[str, str] | None = None, **fields: str
    ) -> tuple[int, Any]:
        with aiohttp.MultipartWriter("form-data") as form:
            for name, value in fields.items():
                form.append(value).set_content_disposition("form-data", name=name)
            for number, file in enumerate(files):
                name = "sha256" if isinstance(file, Here) else "file"
                part = form.append(file.sha256 if isinstance(file, Here) else file)
                part.set_content_disposition("form-data", name=name, filename=f"{number}.dcm")
            return await self.ask("POST", UPLOAD, data=form, headers=headers or {})

    async def store(
        self,
        files: Sequence[bytes],
        path: str = STUDIES,
        kind: str = DICOM,
        role: str = "integration",
    ) -> tuple[int, Any]:
        with aiohttp.MultipartWriter("related") as body:
            for content in files:
                body.append(content, {"Content-Type": DICOM})
            headers = {
                "Content-Type": f'multipart/related; type="{kind}"; boundary={body.boundary}'
            }
            return await self.ask("POST", path, role, "pacs", data=body, headers=headers)

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        connection = await connect(self.running.database_url)
        try:
            await connection.execute("set search_path to ingest")
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def events(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.fetch(
            "select body from ingest.outbox where convert_from(body, 'utf8')::jsonb->>'type' = $1"
            " order by position",
            f"memoryguard.{kind}.v1",
        )
        return [json.loads(row["body"])["data"] for row in rows]

    async def scans(self) -> list[dict[str, Any]]:
        """Announced scans of this person's account."""
        found = await self.events("scan.received")
        return [scan for scan in found if scan["user_id"] == self.user]

    async def rejected(self) -> list[str]:
        """Codes of the rejections that this person's account has had."""
        said = await self.events("scan.rejected")
        return [event["reason"]["code"] for event in said if event["user_id"] == self.user]

    async def staged(self) -> int:
        """Number of staged objects in the store, of everybody."""
        staging = self.home.folder / "objects" / "staging"
        return sum(path.is_file() for path in staging.rglob("*"))

    async def until_scans(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(30):
            while len(found := await self.scans()) < count:
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def running_intake(folder: Path, postgres_url: str) -> AsyncGenerator[tuple[Home, Running]]:
    """Run ingest alone, in a home of its own; what is quiet for .2 s is complete."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYGUARD_INGEST_QUIET_S", "0.2")
        home = make_home(folder / "home")
        async with (
            fresh_database(postgres_url) as url,
            platform(home, database_url=url, recipes=[INGEST]) as running,
        ):
            yield home, running
