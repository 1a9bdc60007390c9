# SPDX-License-Identifier: Apache-2.0
"""What every file of the repository has to look like."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from layout import LIBRARIES, ROOT, SERVICES, parsed, repository_files, short, source_files

SPDX = "# SPDX-License-Identifier: Apache-2.0"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

# Brackets keep these patterns from matching this file.
NOT_OURS = re.compile(
    r"(?<![\w.])/(?:[w]ork|[r]oot|[h]ome/\w+|[U]sers/\w+)/"  # places on somebody's machine
    r"|[-]-(?:extra-)?index-url|[-]-find-links"
    r"|pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|[a]rtifactory|\b[n]exus\b|/[s]imple/"
)
TEXT = {
    ".py", ".md", ".toml", ".txt", ".lock", ".json", ".sql", ".js", ".ts", ".css", ".html", ".svg",
    ".yml", ".yaml", ".cfg", ".ini", ".sh", "",
}  # fmt: skip


def test_every_python_file_states_its_licence() -> None:
    without = [
        short(path)
        for path in repository_files()
        if path.suffix == ".py" and not path.read_text(encoding="utf-8").startswith(f"{SPDX}\n")
    ]
    assert not without


def test_every_module_says_what_it_is() -> None:
    assert not [short(path) for path in source_files() if not ast.get_docstring(parsed(path))]


def test_the_namespace_stays_open() -> None:
    """One ``__init__.py`` directly in a ``memoryguard`` folder would hide every other service."""
    for folder in [*LIBRARIES.glob("*/src/memoryguard"), *SERVICES.glob("*/src/memoryguard")]:
        assert not (folder / "__init__.py").exists()
        (package,) = (path for path in folder.iterdir() if path.name != "__pycache__")
        assert (package / "__init__.py").exists()


def test_no_machine_and_no_registry_is_named() -> None:
    found = [
        f"{short(path)}:{number}: {line.strip()[:100]}"
        for path in repository_files()
        if path.suffix in TEXT
        for number, line in enumerate(_lines(path), 1)
        if NOT_OURS.search(line)
    ]
    assert not found


def test_files_stay_small() -> None:
    long = [
        f"{short(path)}: {count} lines"
        for path in source_files()
        if (count := len(_lines(path))) > MAX_FILE_LINES
    ]
    assert not long


def test_functions_stay_small() -> None:
    long = [
        f"{short(path)}:{node.lineno} {node.name}: {count} lines"
        for path in source_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not long


def test_no_folder_is_an_attic() -> None:
    attics = [
        short(path)
        for path in source_files()
        if {path.stem, path.parent.name} & {"utils", "util", "helpers", "misc", "common_utils"}
    ]
    assert not attics


def test_every_service_has_its_parts() -> None:
    for folder in SERVICES.glob("*/src/memoryguard/*"):
        for name in ("__init__.py", "__main__.py", "service.py"):
            assert (folder / name).exists(), f"{folder.relative_to(ROOT)} has no {name}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
