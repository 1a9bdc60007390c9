# SPDX-License-Identifier: Apache-2.0
"""Tables of what readings.py noted, as Markdown: truth, known losses, rescans, refusals.

    python benchmarks/truth.py READINGS [--calibration FILE]

Volumes are those that the engine states: before calibration times its factor plus its offset.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from memoryguard.processor.domain.quality import Findings, Guards
from memoryguard.processor.networks import WEIGHTS

Lines = list[dict[str, Any]]


def read(folder: Path, kind: str) -> Lines:
    """Lines of one kind; none where it was not read."""
    path = folder / f"{kind}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def by_map(heads: Lines) -> list[tuple[str, Lines]]:
    """Heads of every label map, by its number."""
    numbers = sorted({head["name"].split("-")[0] for head in heads})
    return [(n, [head for head in heads if head["name"].startswith(f"{n}-")]) for n in numbers]


class Calibrated:
    """States volumes as the engine does."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[str, dict[str, Any]] = json.loads(path.read_text())["volumes"]

    def column(self, heads: Lines, name: str) -> np.ndarray:
        """One volume (mm3) of every head that could be read."""
        line = self.lines.get(name, {})
        raw = np.array([head["raw_mm3"][name] for head in heads])
        return line.get("scale", 1.0) * raw + line.get("offset_mm3", 0.0)


def truth_table(heads: Lines, stated: Calibrated) -> None:
    """Bias, spread, slope and correlation against counted truth."""
    print(f"\n### {len(heads)} heads of label maps held back\n")
    print("| volume | truth mL, mean (range) | bias % | SD % | worst % | slope | r |")
    print("|---|---|---|---|---|---|---|")
    for name in heads[0]["truth_mm3"]:
        true = np.array([head["truth_mm3"][name] for head in heads])
        value = stated.column(heads, name)
        off = 100 * (value / true - 1)
        slope = np.polyfit(true, value, 1)[0]
        print(
            f"| {name} | {true.mean() / 1e3:.2f} ({true.min() / 1e3:.2f}-{true.max() / 1e3:.2f}) "
            f"| {off.mean():+.1f} | {off.std(ddof=1):.1f} | {np.abs(off).max():.1f} "
            f"| {slope:.3f} | {np.corrcoef(true, value)[0, 1]:.3f} |"
        )


def map_table(heads: Lines, stated: Calibrated) -> None:
    """Hippocampal bias and spread by map: what is left is a map's own, or the networks'."""
    print("\n### Hippocampi by map held back\n\n| map | left: bias, SD % | right: bias, SD % |")
    print("|---|---|---|")
    for number, same in by_map(heads):
        row = []
        for name in ("hippocampus_left", "hippocampus_right"):
            true = np.array([h["truth_mm3"][name] for h in same])
            off = 100 * (stated.column(same, name) / true - 1)
            row.append(f"{off.mean():+.1f}, {off.std(ddof=1):.1f}")
        print(f"| {number} ({len(same)}) | {' | '.join(row)} |")


def loss_table(heads: Lines, stated: Calibrated) -> None:
    """Measured against true loss of hippocampal volume, from 0 to a fifth."""
    print("\n### Known losses of hippocampal volume (0 to 20 %), one head of each map held back\n")
    print("| map | slope | r | largest error, % of the volume |\n|---|---|---|---|")
    for number, same in by_map(heads):
        true = np.array([h["truth_mm3"]["hippocampus_total"] for h in same])
        value = stated.column(same, "hippocampus_total")
        lost, measured = 100 * (1 - true / true[0]), 100 * (1 - value / value[0])
        slope = np.polyfit(lost, measured, 1)[0]
        r = np.corrcoef(lost, measured)[0, 1]
        print(f"| {number} | {slope:.3f} | {r:.4f} | {np.abs(measured - lost).max():.1f} |")


def rescan_table(heads: Lines, stated: Calibrated) -> None:
    """Coefficient of variation over rescans of the same real head."""
    print("\n### Simulated rescans: turned by up to 15 degrees, resampled, other noise and bias\n")
    names = ("hippocampus_total", "lateral_ventricles", "cortical_grey_matter",
             "cerebral_white_matter", "total_brain", "intracranial")  # fmt: skip
    print(f"| CV % | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    every: dict[str, list[float]] = {name: [] for name in names}
    for scan in sorted({head["name"].rsplit(" ", 1)[0] for head in heads}):
        same = [h for h in heads if h["name"].startswith(f"{scan} ")]
        row = []
        for name in names:
            value = stated.column(same, name)
            every[name].append(100 * value.std(ddof=1) / value.mean())
            row.append(f"{every[name][-1]:.2f}")
        print(f"| {scan} ({len(same)}) | {' | '.join(row)} |")
    together = [f"{np.sqrt(np.mean(np.square(every[name]))):.2f}" for name in names]
    print(f"| together | {' | '.join(together)} |")


def judged(head: dict[str, Any], guards: Guards) -> dict[str, Any]:
    """A reading under the bounds of a calibration, which may be younger than itself."""
    if "evidence" not in head:
        return head
    findings = Findings()
    guards.judge(head["evidence"], findings)
    verdict = findings.verdict()
    return head | {"verdict": verdict.verdict, "reasons": [r.code for r in verdict.reasons]}


def refusal_table(folder: Path, guards: Guards) -> None:
    """False refusals of good heads, and what became of every bad input."""
    print("\n### Refusals\n\n| good heads | refused | warned | read |\n|---|---|---|---|")
    for kind in ("training", "held_back", "shrunk", "real", "rescan"):
        heads = [judged(head, guards) for head in read(folder, kind)]
        verdicts = Counter(head["verdict"] for head in heads)
        print(f"| {kind} | {verdicts['refused']} | {verdicts['warned']} | {len(heads)} |")
        for head in heads:
            if head["verdict"] == "refused":
                print(f"| {head['name']} | {', '.join(head['reasons'])} | | |")
    bad = [judged(head, guards) for head in read(folder, "bad")]
    refused = sum(head["verdict"] == "refused" for head in bad)
    print(f"\n{refused} of {len(bad)} bad inputs refused.\n\n| bad input | verdict | reasons |")
    print("|---|---|---|")
    for head in bad:
        print(f"| {head['name']} | {head['verdict']} | {', '.join(head['reasons'])} |")


def main() -> None:
    """Print every table that there are readings for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("readings", type=Path)
    parser.add_argument("--calibration", type=Path, default=WEIGHTS / "calibration.json")
    args = parser.parse_args()
    lines = Calibrated(args.calibration)
    for kind, table in (
        ("held_back", truth_table),
        ("held_back", map_table),
        ("shrunk", loss_table),
        ("rescan", rescan_table),
    ):
        if heads := [head for head in read(args.readings, kind) if "raw_mm3" in head]:
            table(heads, lines)
    stored = json.loads(args.calibration.read_text())
    refusal_table(args.readings, Guards(**stored["guards"]))


if __name__ == "__main__":
    main()
