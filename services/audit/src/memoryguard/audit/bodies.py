# SPDX-License-Identifier: Apache-2.0
"""The body of a request."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from memoryguard.common.errors import Rejected

Model = TypeVar("Model", bound=BaseModel)


async def read_model(request: web.Request, model: type[Model]) -> Model:
    """Read a JSON object of a known form.

    Raises
    ------
    Rejected
        ``bad_json``, with the names of the fields that are wrong.
    """
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        wrong = {str(part["loc"][0]) for part in error.errors() if part["loc"]}
        known = sorted(wrong & model.model_fields.keys())
        said = f"wrong: {', '.join(known)}" if known else "the body is not a JSON object of ours"
        raise Rejected("bad_json", said, f"fields: {', '.join(model.model_fields)}") from None
