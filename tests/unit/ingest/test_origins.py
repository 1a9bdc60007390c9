# SPDX-License-Identifier: Apache-2.0
"""Which addresses are asked for a scan, and what a bucket's answers mean."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from ingest_samples import zipped

from memoryguard.common.errors import MemoryGuardError, Misconfigured, Rejected, Unavailable
from memoryguard.ingest.settings import IngestSettings
from memoryguard.ingest.spool import Spool
from memoryguard.ingest.ways.origins import Origins

LISTED = (
    '<?xml version="1.0"?><ListBucketResult><Contents><Key>in/odd//name</Key><Size>1</Size>'
    "<LastModified>2026-01-01T00:00:00Z</LastModified><ETag>x</ETag></Contents></ListBucketResult>"
)
ZIP = zipped([("one", b"1" * 100)])
BIG = 161 << 20


class Bucket:
    """A server that speaks as much of S3 as is needed to be unpleasant."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if "list-type" in request.query:
            return web.Response(text=LISTED, content_type="application/xml")
        name = request.path.rsplit("/", 1)[-1]
        if name == "big":  # a length, and nothing of it
            headers = {"Content-Length": str(BIG), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            response = web.StreamResponse(headers=headers | {"ETag": '"x"'})
            await response.prepare(request)
            await response.write(bytes(2 << 20))
            return response
        bodies = {"small": b"abc", "empty": b"", "zip": ZIP}
        if name in bodies:
            headers = {"ETag": '"x"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            return web.Response(body=bodies[name], headers=headers)
        return web.Response(status={"denied": 403, "stranger": 401}.get(name, 404))


@pytest_asyncio.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Bucket]:
    serving = Bucket()
    app = web.Application()
    app.router.add_get("/{path:.*}", serving.answer)
    async with TestServer(app) as server:
        for name, value in {
            "AWS_ENDPOINT_URL": str(server.make_url("")), "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        yield serving


async def fetched(uri: str, origins: str = "s3://pacs/in", **limits: int) -> list[bytes]:
    """Contents of the files at an address."""
    settings = IngestSettings(origins=origins, **limits)  # type: ignore[arg-type]
    contents: list[bytes] = []
    async for _, file in Origins(settings).fetched(uri):
        if isinstance(file, Spool):
            contents.append(b"".join(file.chunks()))
            file.close()
        else:
            contents.append(file)
    return contents


async def refusal(uri: str, **how: object) -> MemoryGuardError:
    with pytest.raises((Rejected, Unavailable)) as error:
        await fetched(uri, **how)  # type: ignore[arg-type]
    return error.value


@pytest.mark.parametrize(
    ("name", "body"), [("small", b"abc"), ("empty", b""), ("zip", ZIP), ("a folder/small", b"abc")]
)
async def test_an_object_is_read(bucket: Bucket, name: str, body: bytes) -> None:
    assert await fetched(f"s3://pacs/in/{name}") == [body]


@pytest.mark.parametrize(
    "uri",
    [
        *("s3://other/in/small", "s3://pacs/out/small", "s3://pacs/inside", "s3://pacs/in"),
        *("s3://pacs/in/", "s3://pacs/in//", "s3://pacs/in//small", "s3://pacs/in/x//small"),
        *("s3://pacs/in/..", "s3://pacs/in/../small", "s3://pacs/in/./small", "s3://pacs/in/."),
        *("s3://pacs/in/%2e%2e/small", "s3://pacs/in/small?x=1", "s3://pacs/in/small#x"),
        *("s3://x@pacs/in/small", "s3://pacs:1/in/small", "gs://pacs/in/small", "s3://[/in/x"),
        *("http://pacs/in/small", "file:///pacs/in/small", "s3://pacs/in/sm\u00e4ll"),
    ],
)
async def test_nothing_outside_a_listed_bucket_is_asked_for(bucket: Bucket, uri: str) -> None:
    error = await refusal(uri)
    assert (type(error), error.code) == (Rejected, "forbidden_address")
    assert bucket.asked == []


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("denied", Rejected, "source_refused"),
        ("stranger", Rejected, "source_refused"),
        ("folder", Rejected, "source_refused"),  # with a name in it that cannot be asked for
        ("big", Rejected, "too_large"),
    ],
)
async def test_what_a_bucket_does_not_give(
    bucket: Bucket, name: str, kind: type[MemoryGuardError], code: str
) -> None:
    error = await refusal(f"s3://pacs/in/{name}")
    assert (type(error), error.code) == (kind, code)


async def test_a_zip_has_the_limit_of_an_upload(bucket: Bucket) -> None:
    error = await refusal("s3://pacs/in/zip", max_upload_bytes=len(ZIP) - 1)
    assert error.code == "too_large"
    assert await fetched("s3://pacs/in/zip", max_upload_bytes=len(ZIP)) == [ZIP]


def settings_of(origins: str, authorizations: str = "") -> IngestSettings:
    return IngestSettings(origins=origins, origin_authorizations=authorizations)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origins", "authorizations"),
    [
        *(("pacs.example", ""), ("/folder", ""), ("file://host/folder", ""), ("s3:///x", "")),
        *(("ftp://x/y", ""), ("https://x", "{"), ("https://x", '{"https://y": "Basic z"}')),
        *(("https://x:y/", ""), ("memory://x", "")),
    ],
)
def test_origins_that_are_none_stop_the_start(origins: str, authorizations: str) -> None:
    with pytest.raises(Misconfigured) as error:
        Origins(settings_of(origins, authorizations))
    assert error.value.code == "bad_origins"


def test_origins_may_be_several_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    Origins(settings_of(""))
    Origins(settings_of("https://x/dicom-web/, s3://pacs", '{"https://x/dicom-web": "Basic z"}'))
