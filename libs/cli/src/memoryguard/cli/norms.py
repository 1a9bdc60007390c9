# SPDX-License-Identifier: Apache-2.0
"""``memoryguard norms``: sign norm packs of one's own, calibrate a scanner by healthy controls.

What is signed is used once its folder and public key are set (``MEMORYGUARD_ATROPHY_PACKS``,
``MEMORYGUARD_ATROPHY_PACK_KEYS``); docs/MEASUREMENT.md says what a pack holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from memoryguard.cli.words import words
from memoryguard.common.errors import Rejected

app = App(name="norms", help="Norm packs and scanners of one's own.")
out = Console()


@app.command(name="new-key")
def new_key(key: Path) -> None:
    """Write a new signing key into a file; its public half is printed."""
    from memoryguard.atrophy.packs import signature

    print(signature.new_key(key))


@app.command
def sign(key: Path, file: Path) -> None:
    """Sign a norm pack, or a scanner's offsets: FILE.sig is written beside it."""
    from memoryguard.atrophy.packs import signature

    print(signature.sign_with(_there(key), _there(file)))


@app.command
def calibrate(
    table: Path,
    *,
    out_file: Annotated[Path, Parameter("--out", help="NAME.site.json, to be signed.")],
    name: Annotated[str, Parameter(help="What the scanner is called in results.")],
    manufacturer: Annotated[str, Parameter(help="As the scans' headers say it.")],
    field: Annotated[float, Parameter(help="Field strength in tesla.")],
    version: Annotated[str, Parameter(help="Version of the engine that measured.")],
    engine: Annotated[str, Parameter(help="What measured the controls.")] = "headframe",
) -> None:
    """Calibrate a scanner by a table of healthy controls, one row a person.

    Columns: age_years, sex (F or M), intracranial_mm3, and any of hippocampus_total_mm3,
    cortex_mean_mm and so on. Whatever the people have in common is taken for the scanner's.
    """
    from memoryguard.atrophy.domain.measure import Engine
    from memoryguard.atrophy.packs.controls import calibrated

    made = calibrated(_there(table), name, Engine(engine, version), manufacturer, field)
    out_file.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    shown = Table("structure", "z of the controls", "± 1 SD", "people", box=None)
    for region, offset in made["regions"].items():
        shown.add_row(
            words(region), f"{offset['mean_z']:+.2f}", f"{offset['sd_z']:.2f}", str(offset["n"])
        )
    out.print(shown)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise Rejected("no_such_file", "there is no such file", "check the path")
    return path
