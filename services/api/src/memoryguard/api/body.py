# SPDX-License-Identifier: Apache-2.0
"""The body of a request."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web

from memoryguard.common.errors import Rejected


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    Rejected
        ``bad_json``.
    """
    try:
        body = await request.json()
    except (ValueError, LookupError, RecursionError):  # LookupError: a charset nobody knows
        body = None
    if not isinstance(body, dict):
        raise Rejected("bad_json", "the body is not a JSON object")
    return cast("dict[str, Any]", body)
