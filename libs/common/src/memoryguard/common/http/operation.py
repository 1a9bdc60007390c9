# SPDX-License-Identifier: Apache-2.0
"""What a route takes and answers, as data: `openapi` writes it down, tests hold the route to it.

A route says here only what cannot be read off it. Its path's parameters, its roles, the errors that
every route has, conditional requests and idempotency keys are added by `openapi`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

Schema: TypeAlias = type[BaseModel] | Mapping[str, Any] | None
"""A model, a JSON Schema as it is, or None: bytes or text of which nothing more can be said."""

JSON = "application/json"
ANY_OTHER = "*"
"""Among codes: what was sent may be refused with any code of docs/ERRORS.md."""

NOTHING: Mapping[int, str] = MappingProxyType({})
TEXT: Mapping[str, Any] = MappingProxyType({"type": "string"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query, or a header of the request."""

    name: str
    what: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    where: Literal["query", "header"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent."""

    schema: Schema
    media_type: str = JSON
    what: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered when all went well.

    ``media_types`` are those that can be had; ``tagged``: what is read has an ``ETag``.
    """

    what: str
    schema: Schema = None
    media_types: tuple[str, ...] = (JSON,)
    tagged: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One route, described.

    Attributes
    ----------
    summary
        One line, for a list.
    tag
        The chapter it stands in.
    answers
        By status; those of success only.
    more
        What a caller should know beside the summary.
    body
        What is sent, if anything.
    parameters
        In the query, or headers.
    errors
        By status, the codes that can come, separated by spaces; those of every route left out.
    """

    summary: str
    tag: str
    answers: Mapping[int, Answer]
    more: str = ""
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    errors: Mapping[int, str] = field(default_factory=lambda: NOTHING)


_MOMENT: Mapping[str, Any] = MappingProxyType({"type": "string", "format": "date-time"})
PERIOD = (
    Parameter("from", "Begin, RFC 3339; a + is written %2B.", _MOMENT),
    Parameter("to", "End, which does not belong to it.", _MOMENT),
)
"""Parameters that `moment.read_moment` reads."""


def paged(usual: int, most: int) -> tuple[Parameter, Parameter]:
    """Describe the parameters of a list that comes in pages."""
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return (
        Parameter("limit", "How many at most.", limit),
        Parameter("cursor", "Where the page before ended, as its next_cursor says."),
    )
