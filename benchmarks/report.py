# SPDX-License-Identifier: Apache-2.0
"""What every benchmark says beside its figures: the machine, its load, and Markdown tables."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(_cell(cell) for cell in row)} |")
    print(flush=True)


def _cell(value: object) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:.0f}"
        if (isinstance(value, float))
        else str(value)
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile: always one of the values."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__trunc__() - 1)]


def middle_and_range(values: Sequence[float]) -> str:
    """Write median and range of a few repeats."""
    return f"{percentile(values, 50):.2f} ({min(values):.2f}–{max(values):.2f})"


def machine() -> Result:
    """Describe the machine without naming it."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": [round(each, 1) for each in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next(
        (x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "unknown"
    )


def cpu_seconds(wanted: Callable[[str], bool], root: int | None = None) -> float:
    """Processor seconds used so far by the living descendants whose name is wanted (Linux)."""
    tick = os.sysconf("SC_CLK_TCK")
    names: dict[int, tuple[str, int, float]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                head, _, tail = (folder / "stat").read_text().rpartition(")")
            except OSError:  # it ended meanwhile
                continue
            fields = tail.split()
            used = (int(fields[11]) + int(fields[12])) / tick
            names[int(folder.name)] = (head.partition("(")[2], int(fields[1]), used)
    family = {root or os.getpid()}
    while True:
        more = {pid for pid, (_, parent, _) in names.items() if parent in family} - family
        if not more:
            break
        family |= more
    family.discard(root or os.getpid())
    return sum(names[pid][2] for pid in family if wanted(names[pid][0]))


def say(text: str) -> None:
    """Tell what is being measured; standard error, so that the tables stay alone."""
    print(text, file=sys.stderr, flush=True)
