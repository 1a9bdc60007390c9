# SPDX-License-Identifier: Apache-2.0
"""Scans that an integration puts into a bucket and announces, with moto's server as the bucket."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3
import pytest
import pytest_asyncio
from ingest_samples import SLICES, series_files, zipped
from moto.server import ThreadedMotoServer
from pydicom.dataset import Dataset

from memoryguard.cli.home import Home, make_home
from memoryguard.cli.up import Running, platform
from memoryguard.common.runtime.database import connect
from memoryguard.common.testing.databases import fresh_database
from memoryguard.ingest.service import RECIPE as INGEST

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 1 << 20
LOGIN = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}


class Bucket:
    """A bucket named ``pacs``; it may go away, and comes back with what was in it."""

    def __init__(self) -> None:
        self.port = 0
        self.start()
        boto3.client("s3", endpoint_url=self.url, **LOGIN).create_bucket(Bucket="pacs")

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        host, self.port = self._server.get_host_and_port()
        self.url = f"http://{host}:{self.port}"

    def stop(self) -> None:
        self._server.stop()

    def put(self, key: str, body: bytes) -> None:
        client = boto3.client("s3", endpoint_url=self.url, **LOGIN)
        client.put_object(Bucket="pacs", Key=key, Body=body)


@dataclass
class Site:
    """A running ingest that may read below ``s3://pacs/in``."""

    home: Home
    running: Running
    bucket: Bucket

    def files(self, user: str) -> list[tuple[str, bytes]]:
        def change(ds: Dataset) -> None:
            ds.PatientID = f"MRN-{user}"

        return series_files(change)

    def put_series(self, folder: str, user: str) -> None:
        self.bucket.put(f"in/{folder}/", b"")  # as consoles mark a folder
        for name, content in self.files(user):
            self.bucket.put(f"in/{folder}/{name}", content)

    async def announce(self, uri: str, user: str) -> None:
        event = {
            "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/pacs",
            "type": "memoryguard.scan.available.v1", "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json", "partitionkey": user, "correlationid": "c",
            "data": {"subject_id": user, "uri": uri, "user_id": user},
        }  # fmt: skip
        token = self.home.issuer().issue("pacs", ["integration"])
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(self.running.url, headers=headers) as session,
            session.post("/api/v1/events", json=event) as response,
        ):
            assert response.status == 202, await response.text()

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        connection = await connect(self.running.database_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def said(self, user: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for what is said of a person's scans, and give it."""
        async with asyncio.timeout(30):
            while True:
                rows = await self.fetch(
                    "select body from ingest.outbox where topic = 'memoryguard.scans.v1'"
                    " and convert_from(body, 'utf8')::jsonb #>> '{data,user_id}' = $1",
                    user,
                )
                if len(rows) >= count:
                    return [json.loads(row["body"]) for row in rows]
                await asyncio.sleep(0.05)

    async def until_put_back(self, user: str, code: str) -> None:
        """Wait until an announcement is to be tried again."""
        async with asyncio.timeout(30):
            while not await self.fetch(
                "select from ingest.inbox where key = $1 and error_code = $2", user, code
            ):
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def bucket() -> Generator[Bucket]:
    found = Bucket()
    yield found
    found.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, bucket: Bucket
) -> AsyncGenerator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "MEMORYGUARD_INGEST_ORIGINS": "s3://pacs/in",
            "MEMORYGUARD_INGEST_MAX_UPLOAD_BYTES": str(LIMIT),
            "AWS_ENDPOINT_URL": bucket.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        home = make_home(tmp_path_factory.mktemp("bucket") / "home")
        async with (
            fresh_database(postgres_url) as url,
            platform(home, database_url=url, recipes=[INGEST]) as running,
        ):
            yield Site(home, running, bucket)


@pytest.fixture
def user() -> str:
    return f"person-{uuid.uuid4().hex[:8]}"


def outcome(said: list[dict[str, Any]]) -> object:
    """The one thing that was said: how many images it has, or why there is none."""
    assert len(said) == 1
    data = said[0]["data"]
    return data["instances"] if "instances" in data else data["reason"]["code"]


async def test_a_folder_of_a_bucket_is_announced(site: Site, user: str) -> None:
    site.put_series("a folder", user)
    await site.announce("s3://pacs/in/a folder/", user)
    assert outcome(await site.said(user)) == SLICES


async def test_a_zip_in_a_bucket_is_announced(site: Site, user: str) -> None:
    site.bucket.put("in/scan.zip", zipped(site.files(user)))
    await site.announce("s3://pacs/in/scan.zip", user)
    assert outcome(await site.said(user)) == SLICES


@pytest.mark.parametrize(
    "uri",
    [
        *("s3://other/in/scan", "s3://pacs/out", "s3://pacs/in", "s3://pacs/in//"),
        *("s3://pacs/in/x//y", "s3://pacs/in/./x", "s3://pacs/in/../out"),
    ],
)
async def test_no_other_object_is_asked_for(site: Site, user: str, uri: str) -> None:
    await site.announce(uri, user)
    assert outcome(await site.said(user)) == "forbidden_address"


async def test_what_is_announced_before_it_is_there_is_waited_for(site: Site, user: str) -> None:
    await site.announce(f"s3://pacs/in/{user}", user)
    await site.until_put_back(user, "not_there")
    site.bucket.put(f"in/{user}", zipped(site.files(user)))
    assert outcome(await site.said(user)) == SLICES


async def test_too_large_a_zip_is_refused(site: Site, user: str) -> None:
    site.bucket.put("in/large.zip", b"PK\x03\x04" + bytes(LIMIT))
    await site.announce("s3://pacs/in/large.zip", user)
    assert outcome(await site.said(user)) == "too_large"


async def test_too_many_bytes_in_a_folder_are_refused(site: Site, user: str) -> None:
    for number in range(3):
        site.bucket.put(f"in/many/{number}", bytes(LIMIT // 2))
    await site.announce("s3://pacs/in/many", user)
    assert outcome(await site.said(user)) == "too_large"


async def test_a_bucket_that_is_away_is_asked_again(site: Site, user: str) -> None:
    site.bucket.put("in/later.zip", zipped(site.files(user)))
    site.bucket.stop()
    try:
        await site.announce("s3://pacs/in/later.zip", user)
        await site.until_put_back(user, "source_away")
    finally:
        site.bucket.start()
    assert outcome(await site.said(user)) == SLICES
