# SPDX-License-Identifier: Apache-2.0
"""The description of the API, for machines and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.markup import Child, Html, el
from memoryguard.api.page import page
from memoryguard.common.http.conditional import answer_bytes
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Policy

Json: TypeAlias = Mapping[str, Any]

PATH = "/api/v1/openapi.json"
SHARED = ("#/components/parameters/", "#/components/responses/")
METHODS = ("get", "post", "put", "delete")


def routes() -> list[Route]:
    """Document and page. They say what is public anyway, so nobody has to sign in."""
    document = (files("memoryguard.api") / "openapi.json").read_bytes()

    @cache
    def body() -> tuple[Html, ...]:
        return tuple(_body(_whole(json.loads(document))))

    async def openapi(request: web.Request) -> web.Response:
        return answer_bytes(request, document, "application/json")

    async def reference(_: web.Request) -> web.Response:
        return page("The API", *body())

    policy = Policy("api.reference", public="tells nothing about anybody", audited=False)
    return [
        Route("GET", PATH, openapi, policy, doc=described.OPENAPI),
        Route("GET", "/api", reference, policy, doc=described.REFERENCE),
    ]


def _whole(document: Any, of: Json | None = None) -> Any:
    """Put what is shared in its places, but for schemas: those have a chapter of their own."""
    root = of or document
    if isinstance(document, list):
        return [_whole(each, root) for each in document]
    if not isinstance(document, dict):
        return document
    reference = document.get("$ref", "")
    if reference.startswith(SHARED):
        kind, name = reference.split("/")[2:]
        return _whole(root["components"][kind][name], root)
    return {name: _whole(each, root) for name, each in document.items()}


# --- the page ------------------------------------------------------------------------------


def _body(document: Json) -> Iterator[Html]:
    yield el("p", document["info"]["description"])
    link = el("a", "OpenAPI 3.1", href=PATH)
    yield el("p", "The same for machines: ", link, ". Errors are problem documents (RFC 9457).")
    tags = [tag["name"] for tag in document["tags"]]
    chapters = ((tag, f"#{_anchor(tag)}") for tag in (*tags, "Forms"))
    yield el("nav", el("ul", (el("li", el("a", name, href=to)) for name, to in chapters)))
    for tag in tags:
        yield el("h2", tag, id=_anchor(tag))
        for path, operations in document["paths"].items():
            for method in METHODS:
                if tag in operations.get(method, {}).get("tags", ()):
                    yield el("section", _operation(method, path, operations[method]))
    yield el("h2", "Forms", id="forms")
    for name, schema in document["components"]["schemas"].items():
        yield el("section", _form(name, schema))


def _operation(method: str, path: str, operation: Json) -> Iterator[Child]:
    name = operation["operationId"]
    yield el("h3", el("code", f"{method.upper()} {path}"), id=name)
    end = " (deprecated)" if operation.get("deprecated") else ""
    yield el("p", el("strong", f"{operation['summary']}.{end}"))
    yield [el("p", part) for part in operation["description"].split("\n\n")]
    if operation["parameters"]:
        head = ("Parameter", "Where", "Type", "What it is")
        yield _table(head, [_parameter(each) for each in operation["parameters"]])
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        yield el("p", "Body: ", [_content(content)], ".")
    head = ("Answer", "What it is", "Form")
    yield _table(head, [_answer(s, each) for s, each in operation["responses"].items()])
    yield el("pre", el("code", _curl(method, path, operation)))


def _parameter(parameter: Json) -> Sequence[Child]:
    needed = "" if parameter["required"] else ", may be left out"
    where = f"{parameter['in']}{needed}"
    return (
        el("code", parameter["name"]), where, _type(parameter["schema"]), parameter["description"]
    )  # fmt: skip


def _answer(status: str, answer: Json) -> Sequence[Child]:
    what = answer["description"].replace("`", "")
    return (status, what, [_content(answer.get("content", {}))])


def _content(content: Json) -> Iterator[Child]:
    for media_type, said in content.items():
        schema = said.get("schema")
        yield [el("code", media_type), " ", _type(schema) if schema else None, " "]


def _form(name: str, schema: Json) -> Iterator[Child]:
    yield el("h3", name, id=_anchor(name))
    yield el("p", schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            el("code", field),
            [_type(said), None if field in required else ", may be left out"],
            said.get("description", ""),
        )
        for field, said in schema.get("properties", {}).items()
    ]
    if rows:
        yield _table(("Field", "Type", "What it is"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Html:
    heads = el("thead", el("tr", [el("th", name, scope="col") for name in head]))
    body = [
        el("tr", el("th", first, scope="row"), [el("td", cell) for cell in others])
        for first, *others in rows
    ]
    return el("div", el("table", heads, el("tbody", body)), class_="scroll")


def _type(schema: Json) -> Child:
    """Say a JSON Schema type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return el("a", name, href=f"#{_anchor(name)}")
    if "anyOf" in schema:
        return _joined([_type(each) for each in schema["anyOf"]], " or ")
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _joined([el("code", str(each)) for each in values], ", ")
    kind = schema.get("type", "anything")
    if kind == "array":
        return ["list of ", _type(schema.get("items", {}))]
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return ["map of ", _type(schema["additionalProperties"])]
    return schema.get("format", kind)


def _joined(parts: Sequence[Child], between: str) -> Child:
    return [[between if at else None, part] for at, part in enumerate(parts)]


def _curl(method: str, path: str, operation: Json) -> str:
    words = ["curl"]
    if method != "get":
        words.append(f"-X {method.upper()}")
    if operation["security"]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    for media_type in operation.get("requestBody", {}).get("content", {}):
        if media_type == "multipart/form-data":
            words.append("-F file=@scan.zip")
        else:
            words.append(f"-H 'Content-Type: {media_type}' --data-binary @body")
    return " ".join([*words, f'"$MEMORYGUARD{path}"'])


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
