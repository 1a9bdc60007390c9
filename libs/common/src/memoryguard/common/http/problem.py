# SPDX-License-Identifier: Apache-2.0
"""Errors over HTTP: problem details (RFC 9457) with the same stable codes as everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from memoryguard.common.errors import MemoryGuardError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not served (RFC 9457). Some codes bring members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:memoryguard:error: and the code.")
    title: str = Field(description="One sentence for people, without any value out of the data.")
    status: int = Field(description="Status of the answer.")
    code: str = Field(description="Stable; docs/ERRORS.md lists every code.")
    hint: str = Field(description="What to do about it; may be empty.")


def problem(
    error: MemoryGuardError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Write an error as ``application/problem+json``."""
    status = status or error.http_status
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response(
        {
            "type": f"urn:memoryguard:error:{error.code}",
            "title": error.message,
            "status": status,
            "code": error.code,
            "hint": error.hint,
            **error.details,
        },
        status=status,
        content_type=MEDIA_TYPE,
        headers={**challenge, **(headers or {})},
    )


def http_problem(error: web.HTTPException) -> web.Response:
    """Write what aiohttp refuses by itself: unknown paths and methods, too large bodies."""
    if error.status == 413:
        return problem(MemoryGuardError("body_too_large", "the body is too large"), 413)
    if error.status in (404, 405):
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return problem(MemoryGuardError("no_such_route", error.reason), error.status, allowed)
    return problem(MemoryGuardError("http_error", error.reason), error.status)
