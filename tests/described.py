# SPDX-License-Identifier: Apache-2.0
"""Holds a service to what it says of itself: every answer that a test gets is as described.

It stands innermost in the application under test. An answer that has a field too many, lacks one,
or refuses with a code that its route does not name, becomes an answer that no test expects.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from memoryguard.common.http import openapi
from memoryguard.common.http.app import ROUTE
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.service import Service

BROKEN = 599


def hold_to_its_word(app: web.Application, *services: Service) -> web.Application:
    """Check every answer of these services' routes."""
    described = openapi.document(services)["paths"]

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        route = request.get(ROUTE)
        if route is None or route.doc is None or not isinstance(response, web.Response):
            return response
        wrong = _wrong(route, response, described[openapi.plain(route.path)][route.method.lower()])
        return web.Response(status=BROKEN, text=wrong) if wrong else response

    app.middlewares.append(check)
    return app


def _wrong(route: Route, response: web.Response, operation: dict[str, Any]) -> str | None:
    """Say what is not as described."""
    assert route.doc
    where = f"{route.method} {route.path}: {response.status}"
    if str(response.status) not in operation["responses"]:
        return f"{where} is not described"
    answer = route.doc.answers.get(response.status)
    if answer is None:
        return _refusal(where, response, operation)
    if answer.media_types and response.content_type not in (*answer.media_types, "text/html"):
        return None if "*/*" in answer.media_types else f"{where}: {response.content_type}"
    if isinstance(answer.schema, type) and issubclass(answer.schema, BaseModel):
        try:
            answer.schema.model_validate_json(str(response.text))
        except ValidationError as error:
            return f"{where}: {error}"
    return None


def _refusal(where: str, response: web.Response, operation: dict[str, Any]) -> str | None:
    if response.content_type != "application/problem+json":
        return None
    code = json.loads(str(response.text))["code"]
    said = operation["responses"][str(response.status)]
    if "$ref" in said:
        usual = {"401": "invalid_token", "403": "not_allowed", "422": "bad_purpose",
                 "429": "too_many_requests", "500": "bug", "503": "unavailable"}  # fmt: skip
        named = [usual[str(response.status)]]
    else:
        (content,) = said["content"].values()
        schema = content.get("schema", {})
        if "allOf" not in schema:  # any code may come
            return None
        named = schema["allOf"][1]["properties"]["code"]["enum"]
    return None if code in named else f"{where}: {code} is not described, only {named}"
