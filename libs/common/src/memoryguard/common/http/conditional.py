# SPDX-License-Identifier: Apache-2.0
"""Conditional requests (RFC 9110, section 13): what a client has already is not sent again.

Results are for their reader alone: ``no-store`` keeps them off disks that others share, and a
client that keeps them itself asks with ``If-None-Match``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ETag, web

PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def tag_of(sha256: str) -> ETag:
    """Make a strong validator of the digest of what is served."""
    return ETag(sha256[:32])


def unchanged(request: web.Request, tag: ETag) -> bool:
    """Whether the client says that it has this already; ``*`` is any that there is."""
    known = request.if_none_match or ()
    return any(each.value in (tag.value, "*") for each in known)


def answer(request: web.Request, body: bytes, content_type: str, tag: ETag) -> web.Response:
    """Answer with a body and its validator, or with 304 where the client has it."""
    if unchanged(request, tag):
        response = web.Response(status=304, headers=PRIVATE)
    else:
        charset = "utf-8" if content_type.startswith("text/") else None
        response = web.Response(
            body=body, content_type=content_type, charset=charset, headers=PRIVATE
        )
    response.etag = tag
    return response


def answer_bytes(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """Answer with a body whose digest is its validator, or with 304 where the client has it."""
    return answer(request, body, content_type, tag_of(hashlib.sha256(body).hexdigest()))


def answer_text(request: web.Request, text: str) -> web.Response:
    """Answer with plain text, or with 304 where the client has this very text."""
    return answer_bytes(request, text.encode(), "text/plain")


def answer_page(
    request: web.Request, document: Mapping[str, Any], cursor: str | None
) -> web.Response:
    """Answer with a page of a list; a ``Link`` leads to the next one (RFC 8288) if there is one."""
    response = answer_json(request, {**document, "next_cursor": cursor})
    if cursor is not None:
        following = request.rel_url.update_query(cursor=cursor)
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def answer_json(request: web.Request, document: Mapping[str, Any]) -> web.Response:
    """Answer with a JSON document, or with 304 where the client has this very one."""
    return answer_bytes(request, json.dumps(document).encode(), "application/json")
