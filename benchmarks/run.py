# SPDX-License-Identifier: Apache-2.0
"""Run every benchmark, one after the other, and print its tables (``make bench``).

Each runs in a process of its own. Figures of a busy machine are worth little by themselves:
compare rows of one run with each other. Accuracy against FreeSurfer is measured when the T1s lie
beside the checkout, the norms when the tables do; said to be missing when not.

    python benchmarks/run.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from report import Result, machine, say

HERE = Path(__file__).resolve().parent
T1_FOLDER = HERE.parents[1] / "shared" / "data" / "t1"
TABLES = HERE.parents[1] / "shared" / "data" / "tables"
ON_REAL_HEADS = ("segmentation", "thickness")
ON_TABLES = {"norms": "Norms on healthy people", "risk": "Risk model beside its peers"}
FULL: dict[str, list[str]] = {
    "start": [], "stages": [], "storage": [], "intake": [], "memory": [], "cut_uploads": [],
    "flow": [], "rebuild": [], "audit": ["append"], "audit_verify": [], "log_kills": [], "web": [],
    **{name: [] for name in (*ON_REAL_HEADS, *ON_TABLES)},
}  # fmt: skip
QUICK: dict[str, list[str]] = {
    "start": ["--repeats", "1"],
    "stages": ["--repeats", "1"],
    "storage": ["--repeats", "1"],
    "flow": ["--scans", "60", "--low-scans", "10"],
    "rebuild": ["--scans", "500", "--repeats", "1"],
    "audit": ["append", "--events", "20000"],
    "audit_verify": ["--entries", "50000"],
    "log_kills": ["--kills", "10"],
    "web": ["--rounds", "1", "--no-peer"],
}


def run(name: str, arguments: list[str]) -> Result:
    """Run one benchmark; its tables go to standard output, its figures come back."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments, "--json", str(figures)]
        ended = subprocess.run(command, check=False)
        if ended.returncode != 0:
            print(f"\n{name}: not measured, it ended with status {ended.returncode}\n", flush=True)
            return {"error": f"ended with status {ended.returncode}"}
        return json.loads(figures.read_text())


def main() -> None:
    """Run them all; the status is 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewest repeats, no accuracy")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    about = machine()
    print("# Benchmarks\n")
    for name, value in about.items():
        print(f"- {name.replace('_', ' ')}: {value}")
    print(flush=True)
    results: dict[str, object] = {"machine": about}
    for name, arguments in (QUICK if args.quick else FULL).items():
        if name in ON_REAL_HEADS:
            if not T1_FOLDER.is_dir():
                print(f"## {name.capitalize()}\n\nnot measured: no T1s beside the checkout\n")
                continue
            print(f"## {name.capitalize()} beside FreeSurfer\n", flush=True)
        if name in ON_TABLES:
            if not TABLES.is_dir():
                print(f"## {ON_TABLES[name]}\n\nnot measured: no tables beside the checkout\n")
                continue
            print(f"## {ON_TABLES[name]}\n", flush=True)
        say(f"benchmark: {name}")
        results[name] = run(name, arguments)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if any(isinstance(each, dict) and "error" in each for each in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
