# SPDX-License-Identifier: Apache-2.0
"""Find every error code in the code: calls of the ``MemoryGuardError`` family, read as syntax.

A helper that takes the code as a parameter is followed to its callers. A code that is a variable
of another kind (a problem document of a server, on the command line) is nobody's own and left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BASE = "MemoryGuardError"
KINDS = ("Denied", "Rejected", "Unavailable", "Misconfigured", "Corrupt")


@dataclass(slots=True)
class ErrorClass:
    """One class of the family: its bases, and its HTTP status when it sets one."""

    name: str
    base: str
    http_status: int | None


@dataclass(slots=True)
class Raised:
    """One code of one class: what it says, and where."""

    code: str
    cls: str
    kind: str
    http_status: int
    messages: list[str] = field(default_factory=list[str])
    hints: list[str] = field(default_factory=list[str])
    places: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the family, or of a helper that makes one: where, and with which arguments."""

    cls: str
    arguments: Sequence[ast.expr]
    module: str
    owner: ast.AST


def scan(root: Path, sources: Sequence[str]) -> list[Raised]:
    """Give every code, sorted, with its class, messages, hints and modules."""
    trees = {
        module: ast.parse(path.read_text(encoding="utf-8"))
        for source in sources
        for path in sorted((root / source).rglob("*.py"))
        for module in [".".join(path.relative_to(root / source).with_suffix("").parts[1:])]
    }
    family = error_classes(list(trees.values()))
    calls = [call for module, tree in trees.items() for call in _calls(tree, module, family)]
    calls += [followed for call in calls for followed in _followed(call, trees)]
    found: dict[tuple[str, str], Raised] = {}
    for call in calls:
        texts = [_text(argument) for argument in call.arguments]
        if "…" not in texts[0]:
            key = (texts[0], call.cls)
            raised = found.setdefault(
                key, Raised(*key, _kind(call.cls, family), _status(call.cls, family))
            )
            _note(raised.messages, texts[1] if len(texts) > 1 else "")
            _note(raised.hints, texts[2] if len(texts) > 2 else "")
            _note(raised.places, call.module)
    return [found[key] for key in sorted(found)]


def error_classes(trees: Sequence[ast.Module]) -> dict[str, ErrorClass]:
    """Find the family: classes that derive from its base, however far."""
    classes = [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.bases
    ]
    # The log's library stands alone, so its error says by itself what the others inherit.
    family = {
        BASE: ErrorClass(BASE, "", 500),
        "Unverified": ErrorClass("Unverified", "Rejected", None),
    }
    while True:
        new = [
            node
            for node in classes
            if node.name not in family and ast.unparse(node.bases[0]) in family
        ]
        if not new:
            return family
        for node in new:
            family[node.name] = ErrorClass(node.name, ast.unparse(node.bases[0]), _own_status(node))


def _own_status(node: ast.ClassDef) -> int | None:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "http_status":
            return int(ast.literal_eval(statement.value))
    return None


def _status(cls: str, family: dict[str, ErrorClass]) -> int:
    own = family[cls].http_status
    return own if own is not None else _status(family[cls].base, family)


def _kind(cls: str, family: dict[str, ErrorClass]) -> str:
    while cls not in KINDS and cls != BASE:
        cls = family[cls].base
    return cls


def _calls(tree: ast.Module, module: str, family: dict[str, ErrorClass]) -> Iterator[_Call]:
    for owner, node in _owned_calls(tree):
        cls = _class_of(node, owner, family)
        if cls is not None and node.args:
            yield _Call(cls, node.args, module, owner)


def _followed(call: _Call, trees: dict[str, ast.Module]) -> Iterator[_Call]:
    """Give the calls of the helper that a call stands in, with their arguments put in."""
    if not isinstance(call.owner, ast.FunctionDef):
        return
    names = [argument.arg for argument in call.owner.args.args]
    if not any(isinstance(a, ast.Name) and a.id in names for a in call.arguments):
        return
    private = call.owner.name.startswith("_")
    for module, tree in trees.items():
        if private and module != call.module:
            continue
        for owner, node in _owned_calls(tree):
            if isinstance(node.func, ast.Name) and node.func.id == call.owner.name:
                given = dict(zip(names, node.args, strict=False))
                arguments = [given.get(getattr(a, "id", ""), a) for a in call.arguments]
                yield _Call(call.cls, arguments, module, owner)


def _owned_calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Give every call with the function it stands in, or the class for ``super().__init__``."""
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            for node in _below(owner):
                if isinstance(node, ast.Call):
                    yield owner, node


def _below(owner: ast.AST) -> Iterator[ast.AST]:
    """Walk without entering functions and classes inside, but a class enters its methods."""
    for child in ast.iter_child_nodes(owner):
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not inner:
            yield child
            yield from _below(child)
        elif isinstance(owner, ast.ClassDef) and getattr(child, "name", "") == "__init__":
            yield from _below(child)


def _class_of(node: ast.Call, owner: ast.AST, family: dict[str, ErrorClass]) -> str | None:
    name = ast.unparse(node.func)
    if name == "super().__init__" and isinstance(owner, ast.ClassDef):
        return owner.name if owner.name in family and owner.name != BASE else None
    return name if name in family else None


def _text(node: ast.expr) -> str:
    """Give a literal's text; what varies is shown as an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "…"


def _note(texts: list[str], text: str) -> None:
    if text.strip("…") and text not in texts:
        texts.append(text)
