# SPDX-License-Identifier: Apache-2.0
"""Errors over HTTP: problem details (RFC 9457) with the same stable codes as everywhere."""

from __future__ import annotations

from aiohttp import web

from memoryguard.common.errors import MemoryGuardError


def problem(error: MemoryGuardError, status: int | None = None) -> web.Response:
    """Write an error as ``application/problem+json``."""
    status = status or error.http_status
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
        content_type="application/problem+json",
        headers={"WWW-Authenticate": "Bearer"} if status == 401 else None,
    )
