# SPDX-License-Identifier: Apache-2.0
"""The body of a request."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from aiohttp import web
from pydantic import BaseModel, ValidationError

from memoryguard.common.errors import Rejected

Model = TypeVar("Model", bound=BaseModel)


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


async def read_model(request: web.Request, model: type[Model], code: str = "bad_json") -> Model:
    """Read a JSON object of a known form.

    Raises
    ------
    Rejected
        ``bad_json``; the given code, with the names of the fields that are wrong.
    """
    try:
        return model.model_validate(await read_object(request))
    except ValidationError as error:
        wrong = {str(part["loc"][0]) for part in error.errors() if part["loc"]}
        known = ", ".join(sorted(wrong & model.model_fields.keys()))
        raise Rejected(
            code,
            f"wrong: {known or 'a field that is not known'}",
            f"fields: {', '.join(model.model_fields)}",
        ) from None
