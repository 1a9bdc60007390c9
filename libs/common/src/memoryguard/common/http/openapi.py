# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of services, from their route tables. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from memoryguard.common.contracts.artifacts import Plain
from memoryguard.common.contracts.meanings import MEANINGS
from memoryguard.common.http import idempotency, purpose
from memoryguard.common.http.operation import ANY_OTHER, JSON, Answer, Operation, Parameter, Schema
from memoryguard.common.http.problem import MEDIA_TYPE, Problem
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.service import Service

Json: TypeAlias = dict[str, Any]

REF = "#/components/schemas/{model}"
ABOUT = (
    "Volumes of the brain's structures, how they compare with healthy people, how they changed, and"
    " an explained risk estimate, with a record of every access. Research software, not a medical"
    " device. docs/API.md says what version 1 promises."
)
PLACES: Final[Mapping[str, str]] = {
    "imaging_id": "The scan, as the answer to its upload names it.",
    "other": "Another scan of the same person.",
    "user_id": "The account.",
    "grantee_id": "The account that may see the data.",
    "invitation_id": "The invitation, as the answer that made it says.",
    "patient": "The patient's number, as the worklist names it.",
    "sequence": "Place of the entry in the log, from 0.",
    "scan_id": "The scan.",
    "hold_id": "The hold.",
    "study_uid": "Study Instance UID.",
    "series_uid": "Series Instance UID.",
    "instance_uid": "SOP Instance UID.",
    "code": "The code in the link.",
    "name": "Name of the file.",
    "resource_type": "Type of the FHIR resource.",
    "resource_id": "Its id, as in the Bundle.",
}
"""What the parameters of paths are."""

_PURPOSE = Parameter(
    purpose.HEADER,
    "What the data is for: a code of HL7's PurposeOfUse. It is written into the audit log.",
    {"type": "string", "enum": [*purpose.PURPOSES]},
    "header",
)
_KEY = Parameter(
    idempotency.HEADER,
    "A name for this request, made by the caller: repeated within a day, it is carried out once.",
    {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_KEY},
    "header",
)
_KNOWN = Parameter("If-None-Match", "The ETag of what the caller has already.", where="header")
_SHARED = {"Purpose": _PURPOSE, "Key": _KEY, "Known": _KNOWN}
_KNOWN_CALLER = {"401": "invalid_token", "403": "not_allowed", "422": "bad_purpose"}
_ALWAYS = {"429": "too_many_requests", "500": "bug", "503": "unavailable"}
_USUAL = {**_KNOWN_CALLER, **_ALWAYS}
_LIMIT = ("RateLimit", "RateLimit-Policy")
_PATTERN = re.compile(r"{(\w+):([^{}]*(?:{[^{}]*}[^{}]*)*)}")


def document(services: Iterable[Service], version: str = "1.0.0") -> Json:
    """Write the document of every described route of some services.

    Parameters
    ----------
    services
        With their routes; a route without ``doc`` is left out.
    version
        Of the API.
    """
    found = [(service, route) for service in services for route in service.routes if route.doc]
    paths: dict[str, Json] = {}
    for service, route in sorted(found, key=lambda each: plain(each[1].path)):
        operation = _operation(route, cookie=service.session is not None)
        paths.setdefault(plain(route.path), {})[route.method.lower()] = operation
    operations = [route.doc for _, route in found if route.doc]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MemoryGuard Imaging",
            "version": version,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({each.tag for each in operations})],
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "headers": _HEADERS,
            "parameters": {name: _parameter(each) for name, each in _SHARED.items()},
            "responses": {f"Error{s}": _error(s, [code]) for s, code in sorted(_USUAL.items())},
            "schemas": _schemas(operations),
        },
    }


def plain(path: str) -> str:
    """Write a path without the patterns of its parameters: ``{code:[a-z]+}`` is ``{code}``."""
    return _PATTERN.sub(r"{\1}", path)


_SCHEMES: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Of `memoryguard token`, or of the OpenID provider.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "memoryguard_session",
        "description": "Of a browser's session: it reads, and changes nothing.",
    },
}
_HEADERS: Final[Json] = {
    "ETag": {
        "description": "Names this very answer, for If-None-Match.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'Leads to the next page (rel="next"), if there is one.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left: r requests; t seconds until all are there again.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "The limit: q requests in w seconds.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
}


# --- one operation -------------------------------------------------------------------------


def _operation(route: Route, *, cookie: bool) -> Json:
    doc = route.doc
    assert doc is not None  # noqa: S101  # as `document` chose
    written: Json = {
        "operationId": operation_id(route),
        "summary": doc.summary,
        "tags": [doc.tag],
        "description": _description(route, doc),
        "parameters": [*_path_parameters(route), *_parameters(route, doc)],
        "responses": {**_answers(route, doc), **_errors(route, doc)},
        "security": _security(route, cookie=cookie),
        "x-roles": sorted(route.policy.roles),
        "x-action": route.policy.action,
    }
    if doc.body:
        content = {doc.body.media_type: _content(doc.body.schema)}
        said: Json = {"description": doc.body.what} if doc.body.what else {}
        written["requestBody"] = {**said, "required": True, "content": content}
    if route.deprecated:
        written["deprecated"] = True
    return written


def operation_id(route: Route) -> str:
    """Name an operation for those who make clients of the document."""
    path = plain(route.path)
    machine = path.startswith(("/api/v1/", "/dicom-web/"))
    path = path.removeprefix("/api/v1") if machine else f"/page{path}"
    words = re.findall(r"[A-Za-z0-9]+", path.replace("{", "by-").replace("}", ""))
    return route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _description(route: Route, doc: Operation) -> str:
    who = f"Roles: {', '.join(sorted(route.policy.roles))}."
    if route.policy.public:
        who = f"Public: {route.policy.public}."
    elif route.policy.audited:
        who += f" Recorded as `{route.policy.action}`."
    end = ""
    if route.deprecated:
        end = f"Deprecated: works until {route.deprecated.sunset:%Y-%m-%d} at least."
    return "\n\n".join(part for part in (doc.more, who, end) if part)


def _path_parameters(route: Route) -> Iterator[Json]:
    patterns = dict(_PATTERN.findall(route.path))
    for name in re.findall(r"{(\w+)}", plain(route.path)):
        form = {"pattern": f"^{patterns[name]}$"} if name in patterns else {"minLength": 1}
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": PLACES[name],
            "schema": {"type": "string", **form},
        }


def _parameters(route: Route, doc: Operation) -> Iterator[Json]:
    yield from map(_parameter, doc.parameters)
    shared = {
        "Known": _conditional(route, doc),
        "Key": route.keyed,
        "Purpose": not route.policy.public,
    }
    yield from ({"$ref": f"#/components/parameters/{name}"} for name in shared if shared[name])


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        "description": parameter.what,
        "schema": dict(parameter.schema),
    }


def _conditional(route: Route, doc: Operation) -> bool:
    """Whether an answer has a validator: what is read, and is more than a message."""
    return route.method == "GET" and any(answer.tagged for answer in doc.answers.values())


def _answers(route: Route, doc: Operation) -> Json:
    said: Json = {str(status): _answer(route, doc, each) for status, each in doc.answers.items()}
    if _conditional(route, doc):
        said["304"] = {
            "description": "The caller has it already.",
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        }
    return said


def _answer(route: Route, doc: Operation, answer: Answer) -> Json:
    names = ["ETag"] if route.method == "GET" and answer.tagged else []
    names += ["Link"] if any(each.name == "cursor" for each in doc.parameters) else []
    names += _LIMIT if _counted(route) else ()
    written: Json = {"description": answer.what}
    if answer.media_types:
        written["content"] = {kind: _content(answer.schema) for kind in answer.media_types}
    return written | _with_headers(names)


def _counted(route: Route) -> bool:
    """Whether a limit of requests holds; what tells nothing about anybody has none."""
    return not route.policy.public or route.policy.audited


def _with_headers(names: Sequence[str]) -> Json:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": headers} if headers else {}


def _content(schema: Schema) -> Json:
    if schema is None:
        return {}
    if isinstance(schema, type):
        return {"schema": {"$ref": REF.format(model=schema.__name__)}}
    return {"schema": dict(schema)}


def _errors(route: Route, doc: Operation) -> Json:
    codes: dict[str, list[str]] = {str(s): text.split() for s, text in doc.errors.items()}
    usual = _ALWAYS if route.policy.public else _USUAL
    for status, code in usual.items():
        if status != "429" or _counted(route):
            codes.setdefault(status, []).append(code)
    if route.keyed:
        codes["422"] += ["bad_idempotency_key", "idempotency_key_reused"]
        codes.setdefault("409", []).append("idempotency_key_in_use")
    if doc.body and doc.body.media_type == JSON:
        codes.setdefault("413", []).append("body_too_large")
    return {status: _error_of(route, status, codes[status]) for status in sorted(codes)}


def _error_of(route: Route, status: str, codes: Sequence[str]) -> Json:
    if route.refused and status in ("401", "403", "404", "429"):
        return {"description": _named(codes), "content": {"text/html": {}}}
    if codes == [_USUAL.get(status)]:
        return {"$ref": f"#/components/responses/Error{status}"}
    return _error(status, codes)


def _error(status: str, codes: Sequence[str]) -> Json:
    form = {"$ref": REF.format(model=Problem.__name__)}
    coded = {"properties": {"code": {"enum": sorted(codes)}}}
    schema = form if ANY_OTHER in codes else {"allOf": [form, coded]}
    names = ["Retry-After", *_LIMIT] if status == "429" else []
    content = {"content": {MEDIA_TYPE: {"schema": schema}}}
    return {"description": _named(codes)} | _with_headers(names) | content


def _named(codes: Sequence[str]) -> str:
    named = [f"`{code}`" for code in codes if code != ANY_OTHER]
    return ", ".join([*named, *(["any other code"] if ANY_OTHER in codes else [])])


def _security(route: Route, *, cookie: bool) -> list[Json]:
    if route.policy.public:
        return []
    session: list[Json] = [{"session": []}] if cookie and route.method == "GET" else []
    return [{"bearer": []}, *session]


# --- schemas -------------------------------------------------------------------------------


def _schemas(operations: Sequence[Operation]) -> Json:
    """Write every model. Callers pass over what a later version adds to an answer; we do not."""
    sent = [each.body.schema for each in operations if each.body]
    answered = [a.schema for each in operations for a in each.answers.values()]
    answers = _definitions([Problem, *answered])
    for schema in answers.values():
        if schema.get("additionalProperties") is False:
            del schema["additionalProperties"]
    return dict(sorted({**answers, **_definitions(sent)}.items()))


def _definitions(schemas: Iterable[Schema]) -> Json:
    models = {schema for schema in schemas if isinstance(schema, type)}
    ordered = sorted(models, key=lambda model: model.__name__)
    asked: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in ordered]
    _, written = models_json_schema(asked, ref_template=REF, schema_generator=Plain)
    definitions: Json = written.get("$defs", {})
    for definition in definitions.values():
        for name, field in definition.get("properties", {}).items():
            if name in MEANINGS:
                field.setdefault("description", MEANINGS[name])
    return definitions
