# SPDX-License-Identifier: Apache-2.0
"""What was made of scans, as DICOM over HTTP: QIDO-RS and WADO-RS (PS3.18 10.4, 10.6).

Only results are here; scans are not given back, since they show a face. Storing is ingest's, under
an address of its own, so that a proxy can tell the two apart by the path.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence

from aiohttp import hdrs, web

from memoryguard.api import described, qido
from memoryguard.api.access import Access
from memoryguard.api.documents import Document, Level
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import principal_of
from memoryguard.common.http.conditional import PRIVATE, answer_bytes
from memoryguard.common.http.route import HttpHandler, Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

BASE = "/dicom-web/results"
JSON = "application/dicom+json"
DICOM = "application/dicom"
EXPLICIT = "1.2.840.10008.1.2.1"
_STUDY = f"{BASE}/studies/{{study_uid}}"
_SERIES = f"{_STUDY}/series/{{series_uid}}"
_INSTANCE = f"{_SERIES}/instances/{{instance_uid}}"
PLURALS: Mapping[Level, str] = {"study": "studies", "series": "series", "instance": "instances"}
_ACCEPTED_JSON = (JSON, "application/json", "application/*", "*/*")
_ACCEPTED_DICOM = ("multipart/related", "multipart/*", "*/*")
_DOCS = {
    "search": described.QIDO,
    "metadata": described.METADATA,
    "retrieve": described.RETRIEVE,
}
MORE = '299 memoryguard "There are additional results that can be requested"'
UNMATCHED = '299 memoryguard "Some attributes cannot be searched for: they match anything"'


class NotAcceptable(Rejected):
    """The answer is wanted in a form that is not given."""

    http_status = 406


def routes(platform: Platform, access: Access) -> list[Route]:
    """Search, metadata, and the objects themselves."""

    def searching(level: Level) -> Route:
        async def found(request: web.Request) -> web.Response:
            return await _search(access, request, level)

        return _route(f"{BASE}/{PLURALS[level]}", found, "search")

    def searching_in(path: str, level: Level) -> Route:
        async def found(request: web.Request) -> web.Response:
            return await _search_in(access, request, level)

        return _route(f"{path}/{PLURALS[level]}", found, "search")

    async def headers(request: web.Request) -> web.Response:
        return await _metadata(platform, access, request)

    async def objects(request: web.Request) -> web.Response:
        return await _retrieve(platform, access, request)

    places = (_STUDY, _SERIES, _INSTANCE)
    return [
        *(searching(level) for level in PLURALS),
        searching_in(_STUDY, "series"),
        searching_in(_STUDY, "instance"),
        searching_in(_SERIES, "instance"),
        *(_route(f"{place}/metadata", headers, "metadata") for place in places),
        *(_route(place, objects, "retrieve") for place in places),
    ]


def _route(path: str, handler: HttpHandler, action: str) -> Route:
    return Route("GET", path, handler, Policy(f"dicomweb.{action}", PEOPLE), doc=_DOCS[action])


# --- search --------------------------------------------------------------------------------


async def _search(access: Access, request: web.Request, level: Level) -> web.Response:
    """Search everything that the caller may see."""
    _check_accepted(request, _ACCEPTED_JSON)
    asked = qido.question(request.query)
    found = await access.documents_shown_to(
        *(principal_of(request), level, asked.matches), limit=asked.limit + 1, offset=asked.offset
    )
    shown = [document for documents in found[: asked.limit] for document in documents]
    await access.record_shown(
        request, "dicomweb.search", ((d.subject_id, d.user_id) for d in shown)
    )
    return _answered(request, level, found, asked)


async def _search_in(access: Access, request: web.Request, level: Level) -> web.Response:
    """Search a study or series; one that the caller may not see is not there."""
    _check_accepted(request, _ACCEPTED_JSON)
    asked = qido.question(request.query)
    groups: dict[str, list[Document]] = {}
    for document in await access.documents(request):
        if qido.matches(document, asked):
            groups.setdefault(getattr(document.dicom, f"{level}_uid"), []).append(document)
    page = [*groups.values()][asked.offset : asked.offset + asked.limit + 1]
    return _answered(request, level, page, asked)


def _answered(
    request: web.Request, level: Level, found: Sequence[Sequence[Document]], asked: qido.Query
) -> web.Response:
    base = f"{_origin(request)}{BASE}"
    answers = [qido.answer(level, documents, base) for documents in found[: asked.limit]]
    response = _json(request, json.dumps(answers).encode())
    if len(found) > asked.limit:
        response.headers.add("Warning", MORE)
    if asked.ignored:
        response.headers.add("Warning", UNMATCHED)
    return response


def _origin(request: web.Request) -> str:
    encrypted = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    return f"{'https' if encrypted else 'http'}://{request.host}"


# --- retrieval -----------------------------------------------------------------------------


async def _metadata(platform: Platform, access: Access, request: web.Request) -> web.Response:
    _check_accepted(request, _ACCEPTED_JSON)
    headers = [
        await platform.objects.get(document.dicom.header, document.subject_id)
        for document in await access.documents(request)
    ]
    return _json(request, b"[" + b",".join(headers) + b"]")


async def _retrieve(platform: Platform, access: Access, request: web.Request) -> web.Response:
    """Send the files, one part each; only one is in memory at a time."""
    _check_accepted(request, _ACCEPTED_DICOM)
    _check_encoding(request)
    first, *others = await access.documents(request)
    boundary = secrets.token_hex(16)
    content = await platform.objects.get(first.dicom.content, first.subject_id)

    async def parts() -> AsyncGenerator[bytes]:
        yield _part(boundary, content)
        for document in others:
            yield _part(
                boundary, await platform.objects.get(document.dicom.content, document.subject_id)
            )
        yield f"\r\n--{boundary}--\r\n".encode()

    kind = f'multipart/related; type="{DICOM}"; boundary={boundary}'
    return web.Response(body=parts(), headers={**PRIVATE, hdrs.CONTENT_TYPE: kind})


def _part(boundary: str, content: bytes) -> bytes:
    kind = f"{DICOM}; transfer-syntax={EXPLICIT}"
    return f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + content


def _json(request: web.Request, body: bytes) -> web.Response:
    # Without a charset, which this type has not: clients compare the whole header.
    return answer_bytes(request, body, JSON)


def _check_accepted(request: web.Request, forms: Sequence[str]) -> None:
    accepted = request.headers.get("Accept", "*/*").lower()
    if not any(form in accepted for form in forms) or f"{DICOM}+xml" in accepted:
        raise NotAcceptable(
            "not_acceptable", "the answer is not given in that form", f"Accept: {forms[0]}"
        )


def _check_encoding(request: web.Request) -> None:
    """See that our one transfer syntax is among those that are taken, if any is named."""
    accepted = request.headers.get("Accept", "").replace('"', "").replace(" ", "").lower()
    named = [part.split("transfer-syntax=")[1] for part in _alternatives(accepted)]
    if named and not any(syntax.split(";")[0] in ("*", EXPLICIT) for syntax in named):
        raise NotAcceptable(
            "not_acceptable", "the objects are not given in that form", "transfer-syntax=*"
        )


def _alternatives(accepted: str) -> list[str]:
    return [part for part in accepted.split(",") if "transfer-syntax=" in part]
