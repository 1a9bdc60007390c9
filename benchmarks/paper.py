# SPDX-License-Identifier: Apache-2.0
"""How long a report takes, by step, and beside fpdf2 that sets the same pictures and numbers.

    python benchmarks/paper.py FOLDER [--repeats N]

The folder holds what the api gives of one scan: analysis.json (with ``?proof=1``), brain.nii.gz,
labels.nii.gz and structures.glb. The peer is measured where it is installed (``fpdf2``).
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memoryguard.api.report import document, slices, solid
from memoryguard.api.report.facts import facts_of
from memoryguard.api.report.files import surfaces_of, volume_of

WIDTH = document.WIDTH["clinician"]


def measure(name: str, repeats: int, work: Callable[[], object]) -> None:
    """Print a row: wall and CPU seconds, median of some repeats after a first one."""
    work()
    wall, cpu = list[float](), list[float]()
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    low, high = min(wall), max(wall)
    row = f"{statistics.median(wall):.2f} ({low:.2f}–{high:.2f})"
    print(f"| {name} | {row} | {statistics.median(cpu):.2f} |", flush=True)


def peer(facts: Mapping[str, Any], pictures: Mapping[str, Any]) -> bytes:
    """Set the same pictures, table and sentences with fpdf2: no tags, no PDF/A, its own font."""
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_font("Helvetica", size=8)
    pdf.add_page()
    every = [each["png"] for each in pictures["slices"]] + [pictures["solid"]]
    for number, png in enumerate(every):
        pdf.image(io.BytesIO(bytes(png)), x=10 + 47 * number, y=20, w=45)
    pdf.set_y(80)
    with pdf.table() as table:
        for row in facts["regions"]:
            said = (row["name"], row["value"], row["expected"], row["z_text"], row["words"])
            table.row([str(each).encode("latin-1", "replace").decode("latin-1") for each in said])
    for limit in facts["limits"]:
        pdf.multi_cell(0, text=limit.encode("latin-1", "replace").decode("latin-1"))
        pdf.ln()
    return bytes(pdf.output())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    said = json.loads((args.folder / "analysis.json").read_text())
    files = {name: (args.folder / name).read_bytes() for name in document.PICTURES}
    brain, labels = volume_of(files["brain.nii.gz"]), volume_of(files["labels.nii.gz"])
    surfaces = surfaces_of(files["structures.glb"])
    colours = dict(document.colours_of(said))
    parts = solid.coloured(surfaces, colours, document.SHELL)
    view = solid.view_from(document.AZIMUTH, document.ELEVATION)
    print(f"| what | s, median (range) of {args.repeats} | CPU s |\n|---|---|---|")
    steps: dict[str, Callable[[], object]] = {
        "a report for clinicians": lambda: document.make("clinician", said, files),
        "a report in plain words": lambda: document.make("plain", said, files),
        "of it: facts and QR code": lambda: facts_of(said),
        "of it: reading the files": lambda: [volume_of(files[n]) for n in document.PICTURES[:2]],
        "of it: three slices": lambda: slices.draw(brain, labels),
        f"of it: 3D, {WIDTH} pixels": lambda: solid.draw(*parts, view, WIDTH),
        "*peer:* typst, the text alone": lambda: document.make("clinician", said, {}),
    }
    for name, work in steps.items():
        measure(name, args.repeats, work)
    if find_spec("fpdf"):
        facts, pictures = facts_of(said), document.pictures("clinician", said, files)
        measure("*peer:* fpdf2, the same pictures", args.repeats, lambda: peer(facts, pictures))


if __name__ == "__main__":
    main()
