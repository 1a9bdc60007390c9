# SPDX-License-Identifier: Apache-2.0
"""Write every generated file of the repository; ``--check`` only tells what is stale.

Schemas, docs/FLOW.md, docs/EVENTS.md and docs/asyncapi.json come from the contracts,
docs/CONFIG.md from the settings classes, docs/ERRORS.md from the code that raises,
docs/COMPLIANCE.md as told in compliance.py, which also runs its tests. A golden example that is
missing is written once; one that exists is never touched.
"""

from __future__ import annotations

import ast
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from memoryguard.common.contracts import artifacts
from memoryguard.common.contracts.pages import GENERATED, first_line, table
from memoryguard.common.runtime.settings import variable

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import compliance  # noqa: E402
import error_codes  # noqa: E402
from contract.golden_events import golden_events  # noqa: E402

SOURCES = ("libs/tlog/src", "libs/common/src", "libs/client/src", "libs/cli/src",
    "libs/witness/src", *sorted(
    str(path.relative_to(ROOT)) for path in ROOT.glob("services/*/src")
))  # fmt: skip


# --- CONFIG.md -----------------------------------------------------------------------------


def config_page() -> str:
    """Write docs/CONFIG.md: every environment variable that is read."""
    sections = "".join(
        f"## {cls.__name__}\n\n{first_line(cls.__doc__)} Read by {reader}.\n\n"
        f"{table(_SETTING_HEAD, _setting_rows(cls))}\n"
        for cls, reader in settings_classes()
    )
    return (
        f"{GENERATED}# Settings\n\n"
        "Everything is set by environment variables; `memoryguard up` sets what is needed by"
        " itself. A process that is configured wrongly says which setting is at fault and exits"
        " with status 78.\n\n"
        f"{sections}## The command line\n\n"
        "Besides its options, `memoryguard` reads:\n\n"
        f"{table(('Variable', 'What it is'), sorted(set(_command_line_variables())))}"
    )


_SETTING_HEAD = ("Variable", "Type", "Default", "What it is")


def settings_classes() -> Iterator[tuple[type[BaseSettings], str]]:
    """Give every settings class with who reads it, common first."""
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("settings.py")):
            module = ".".join(path.relative_to(ROOT / source).with_suffix("").parts)
            loaded = importlib.import_module(module)
            for cls in vars(loaded).values():
                known = isinstance(cls, type) and issubclass(cls, BaseSettings)
                if known and cls.__module__ == module:
                    owner = module.split(".")[1]
                    yield cls, "every service" if owner == "common" else owner


def _setting_rows(cls: type[BaseSettings]) -> Iterator[tuple[str, ...]]:
    for name, field in cls.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
            continue  # has a table of its own
        default = field.default.get_secret_value() if _secret(field) else field.default
        shown = "**required**" if field.is_required() else f"`{default}`"
        kind = str(getattr(field.annotation, "__name__", field.annotation))
        kind = kind.replace("pathlib.", "").replace("pydantic.types.", "").replace("_local.", "")
        yield (
            f"`{variable(cls, name, field)}`",
            kind.replace("SecretStr", "secret").replace(" | None", ""),
            "none" if default is None else shown,
            field.description or "",
        )


def _secret(field: FieldInfo) -> bool:
    return isinstance(field.default, SecretStr)


def _command_line_variables() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "libs/cli/src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = {k.arg: _literal(k.value) for k in node.keywords}
                if named.get("env_var"):
                    yield f"`{named['env_var']}`", named.get("help", "")


def _literal(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""


# --- ERRORS.md -----------------------------------------------------------------------------


def errors_page() -> str:
    """Write docs/ERRORS.md: every code that is raised on purpose."""
    found = error_codes.scan(ROOT, SOURCES)
    classes = {(error.cls, error.kind, str(error.http_status)) for error in found}
    return (
        f"{GENERATED}# Errors\n\n"
        "Every error that the platform raises on purpose has a stable code. Over HTTP it is an"
        " `application/problem+json` answer with that code; on the command line one line; a dead"
        " letter (`delivery.failed`) and a refusal (`scan.rejected`) carry it too. Messages hold"
        " no value out of anybody's file.\n\n"
        "A kind of error says what becomes of it: `Rejected` can never work, `Denied` is not"
        " allowed, `Unavailable` is tried again, `Misconfigured` ends the process with status 78,"
        " `Corrupt` stops it for somebody to look.\n\n"
        f"{table(('Class', 'Kind', 'HTTP'), sorted(classes))}"
        "\n## Codes\n\n"
        f"{table(_ERROR_HEAD, (_error_row(error) for error in found))}"
    )


_ERROR_HEAD = ("Code", "Class", "HTTP", "Message", "What to do", "Where")
_OTHER_STATUS = {
    "invalid_token": "401",
    "body_too_large": "413",
    "no_such_route": "404, 405",
    "http_error": "as the request deserves",
}


def _error_row(error: error_codes.Raised) -> tuple[str, ...]:
    status = _OTHER_STATUS.get(error.code, str(error.http_status))
    return (
        f"`{error.code}`",
        error.cls,
        status,
        " / ".join(error.messages),
        " / ".join(error.hints),
        ", ".join(error.places),
    )


# --- everything ----------------------------------------------------------------------------


def write_missing_examples() -> None:
    """Write a golden example that is not there yet; what is committed is never changed."""
    for name, event in golden_events().items():
        path = ROOT / artifacts.EXAMPLES / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            document = json.loads(event.to_bytes())
            path.write_text(artifacts.as_text(document), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def main(arguments: Sequence[str]) -> int:
    """Write or check everything; the exit status."""
    check = "--check" in arguments
    if not check:
        write_missing_examples()
    pages = {
        Path("docs/CONFIG.md"): config_page(),
        Path("docs/ERRORS.md"): errors_page(),
        compliance.PAGE: compliance.current_page(),
    }
    mine = artifacts.settle(ROOT, pages, check=check)
    return mine or artifacts.generate(ROOT, check=check)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
