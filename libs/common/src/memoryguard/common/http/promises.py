# SPDX-License-Identifier: Apache-2.0
"""What an OpenAPI document promises, a line each; so what a later one takes away is a difference.

====================================  =========================================================
``GET /x``                            the route is there
``GET /x takes query limit: integer`` a parameter, or a body, and each word that it may be (``=``)
``GET /x needs query limit``          it cannot be left out
``GET /x answers 200 …``              a status: its form, its headers, the codes of its errors
``answers Form.field: string``        a field of an answer, and each word that it may be (``=``)
``answers Form.field always``         it is never left out
``takes Form.field: string``          a field of what is sent; ``takes Form needs field``
====================================  =========================================================

Lines may be added within a version. None vanishes, but for those that ask for something: of these
none is added to what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]

NEEDS: Final = " needs "
ANY: Final = "any"
FORMS: Final = "#/components/schemas/"


def promises(document: Json) -> set[str]:
    """Give every line of a document."""
    shared, found = document["components"], set[str]()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            found |= {*_operation(name, _with_responses(document, operation))}
    for name, parameter in shared.get("parameters", {}).items():
        found |= {*_parameter(name, parameter)}
    for way, roots in _roots(document).items():
        for name in _reached(document, roots):
            found |= {f"{way} {name}", *_said(f"{way} {name}", shared["schemas"][name])}
    return found


def breaks(kept: set[str], now: set[str]) -> list[str]:
    """Say what a document takes from those who rely on an earlier one.

    Parameters
    ----------
    kept
        Lines of the earlier document.
    now
        Lines of this one.
    """
    vanished = {line for line in kept - now if NEEDS not in line}
    return [
        *(f"vanished: {line}" for line in sorted(vanished)),
        *(f"was not asked for: {line}" for line in sorted(_demanded(kept, now))),
    ]


def renewed(kept: set[str], now: set[str]) -> set[str]:
    """Add what a document promises beyond an earlier one; what it breaks stays as it was."""
    promised = {line for line in kept if NEEDS not in line}
    return (promised | now) - _demanded(kept, now)


def _demanded(kept: set[str], now: set[str]) -> set[str]:
    """What is asked for by what did without; what is new asks for what it likes."""
    return {line for line in now - kept if NEEDS in line and line.split(NEEDS)[0] in kept}


# --- operations ----------------------------------------------------------------------------


def _operation(name: str, operation: Json) -> Iterator[str]:
    yield name
    for parameter in operation.get("parameters", ()):
        if "$ref" in parameter:
            yield f"{name} takes {_name(parameter)}"
        else:
            yield from _parameter(name, parameter)
    if body := operation.get("requestBody"):
        yield from _content(f"{name} takes body", body)
        if body.get("required"):
            yield f"{name}{NEEDS}body"
    for status, response in operation["responses"].items():
        yield from _answer(f"{name} answers {status}", response)


def _with_responses(document: Json, operation: Json) -> Json:
    """Put shared responses in their places: one that gets a code of its own is shared no more."""
    shared = document["components"].get("responses", {})
    responses = {
        status: shared[_name(each)] if "$ref" in each else each
        for status, each in operation["responses"].items()
    }
    return {**operation, "responses": responses}


def _parameter(name: str, parameter: Json) -> Iterator[str]:
    where = f"{parameter['in']} {parameter['name']}"
    yield f"{name} takes {where}"
    yield from _said(f"{name} takes {where}", parameter["schema"])
    if parameter.get("required"):
        yield f"{name}{NEEDS}{where}"


def _answer(where: str, response: Json) -> Iterator[str]:
    if not response.get("content"):
        yield where
    yield from (f"{where} header {header}" for header in response.get("headers", ()))
    yield from _content(where, response)


def _content(where: str, part: Json) -> Iterator[str]:
    for media_type, content in part.get("content", {}).items():
        if _type(content.get("schema", {})) == ANY:
            yield f"{where} {media_type}"
        yield from _said(f"{where} {media_type}", content.get("schema", {}))


# --- schemas -------------------------------------------------------------------------------


def _said(where: str, schema: Json) -> Iterator[str]:
    """Give the type of something, its words and its fields."""
    if (form := _type(schema)) != ANY:
        yield f"{where}: {form}"
    yield from (f"{where} = {word}" for word in _words(schema))
    for part in (schema, *schema.get("allOf", ())):
        for field, inner in part.get("properties", {}).items():
            yield from _said(f"{where}.{field}", inner)
        for field in part.get("required", ()):
            asked = where.startswith("takes ") or " takes " in where
            yield f"{where}{NEEDS}{field}" if asked else f"{where}.{field} always"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return _name(schema)
    if "allOf" in schema:
        return " & ".join(sorted({*map(_type, schema["allOf"])} - {ANY}))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(sorted(map(_type, schema[key])))
    if "items" in schema:
        return f"[{_type(schema['items'])}]"
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    if isinstance(others := schema.get("additionalProperties"), Mapping):
        return f"{{{_type(others)}}}"
    return str(schema.get("type", ANY))


def _words(schema: Json) -> Iterator[str]:
    yield from map(str, schema.get("enum", ()))
    if "const" in schema:
        yield str(schema["const"])
    yield from (word for inner in _inside(schema) for word in _words(inner))


def _inside(schema: Json) -> Iterator[Json]:
    """Give the schemas in one, but for those of its fields."""
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from schema.get(key, ())
    yield from (schema[key] for key in ("items", "additionalProperties") if _is(schema.get(key)))


def _is(schema: object) -> bool:
    return isinstance(schema, Mapping)


def _name(schema: Json) -> str:
    return schema["$ref"].rsplit("/", 1)[1]


def _roots(document: Json) -> dict[str, list[Any]]:
    """Give what is sent, and what is answered."""
    operations = [each for one in document["paths"].values() for each in one.values()]
    shared = document["components"].get("responses", {})
    return {
        "takes": [each.get("requestBody", {}) for each in operations],
        "answers": [shared, *(each["responses"] for each in operations)],
    }


def _reached(document: Json, roots: Sequence[Any]) -> set[str]:
    """Give the names of the forms that something is made of."""
    names, waiting = set[str](), [*roots]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, Mapping):
            waiting += part.values()
            if str(part.get("$ref")).startswith(FORMS) and _name(part) not in names:
                names.add(_name(part))
                waiting.append(document["components"]["schemas"][_name(part)])
    return names
