# SPDX-License-Identifier: Apache-2.0
"""``memoryguard witness``: the witness's own command line, which needs nothing of this one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from memoryguard.witness.__main__ import run

app = App(
    name="witness",
    help="Cosign the growth of somebody else's log; `witness new-key` first.",
    help_flags=[],
    version_flags=[],
)


@app.default
def witness(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Cosign the growth of somebody else's log; `witness new-key` first. See `witness --help`."""
    run(arguments)
