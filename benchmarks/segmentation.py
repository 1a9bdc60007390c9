# SPDX-License-Identifier: Apache-2.0
"""Our engine beside FreeSurfer's output, as a Markdown table.

Reference: FreeSurfer 6 (unedited), not manual tracing; the inputs are its normalised
images, which flatters every engine. The peers' figures are those measured on eight such
subjects (three of them these) and are quoted, not run again.

    python benchmarks/segmentation.py [DATA_T1_FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Image
from memoryguard.processor.engine import Engine

SUBJECTS = ("fs-sub-01", "fs-sub-02", "fs-sub-04")
# FreeSurfer's aseg names parts that we do not tell apart: lesions and callosum are white matter,
# the choroid plexus lies in its ventricle. The callosum has no side there: white is compared whole.
WHITE_TOO = {77: 2, 78: 2, 79: 41, 251: 2, 252: 2, 253: 2, 254: 2, 255: 2}
PLEXUS = {31: 4, 63: 43}
DICE = {
    "hippocampus left": (17,),
    "hippocampus right": (53,),
    "amygdala": (18, 54),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "accumbens": (26, 58),
    "lateral ventricles": (4, 43),
    "inferior lateral ventricles": (5, 44),
    "third ventricle": (14,),
    "fourth ventricle": (15,),
    "cerebral white matter": (2, 41),
    "cortex": (3, 42),
    "cortex left": (3,),
    "cortex right": (42,),
    "cerebellum": (7, 8, 46, 47),
    "brain stem": (16,),
}
TARGET = {
    "hippocampus left": 0.87,
    "hippocampus right": 0.87,
    "cerebral white matter": 0.91,
    "cortex": 0.88,
    "lateral ventricles": 0.90,
    "amygdala": 0.82,
    "thalamus": 0.88,
    "putamen": 0.86,
}
SIDES = ("left", "right")
SIDED = {
    "hippocampus": (17, 53), "amygdala": (18, 54), "thalamus": (10, 49), "caudate": (11, 50),
    "putamen": (12, 51), "pallidum": (13, 52), "accumbens": (26, 58),
    "lateral_ventricle": (4, 43), "inferior_lateral_ventricle": (5, 44),
}  # fmt: skip
COUNTED = {
    **{f"{n}_{s}": (k,) for n, ks in SIDED.items() for s, k in zip(SIDES, ks, strict=True)},
    "hippocampus_total": (17, 53),
    "lateral_ventricles": (4, 43),
    "third_ventricle": (14,),
    "fourth_ventricle": (15,),
    "cerebellum": (7, 8, 46, 47),
    "brain_stem": (16,),
}
STATED = {
    "cortical_grey_left": "lhCortexVol",
    "cortical_grey_right": "rhCortexVol",
    "cortical_grey_matter": "CortexVol",
    "cerebral_white_left": "lhCerebralWhiteMatterVol",
    "cerebral_white_right": "rhCerebralWhiteMatterVol",
    "cerebral_white_matter": "CerebralWhiteMatterVol",
    "grey_matter": "TotalGrayVol",
    "total_brain": "BrainSegVolNotVent",
    "intracranial": "eTIV",
}
PEERS = """
| peer (eight subjects, same reference) | hippocampus Dice | bias, residual SD, r | seconds |
|---|---|---|---|
| MeshNet 30 channels (brainchop) | .828 | -10 %, 2.8 %, .96 | 3-6 |
| MeshNet 50 classes (brainchop) | .878 | +1 %, 3.5 %, .96 | 4-9 |
| hippodeep | .837 / .850 | -22 %, 2.8 %, .95 | 3.5 |
| classical registration + EM | .771 / .813 | -19 %, 7.5 %, .66 | 13-19 |
"""


def load(path: Path) -> Image:
    """Read a T1 (any format that nibabel reads)."""
    stored: Any = nib.load(path)
    return Image(np.asarray(stored.dataobj, np.float32), np.asarray(stored.affine, np.float64))


def stated_volumes(path: Path) -> dict[str, float]:
    """Measures of an aseg.stats header, mm3 by its short name."""
    rows = [line for line in path.read_text().splitlines() if line.startswith("# Measure ")]
    fields = [row.removeprefix("# Measure ").split(", ") for row in rows]
    return {row[1]: float(row[3]) for row in fields}


def reference(folder: Path, subject: str) -> tuple[NDArray[np.int16], dict[str, float]]:
    """FreeSurfer's labels and the volumes that we compare with (mm3)."""
    stored: Any = nib.load(folder / f"{subject}.aseg.mgz")
    labels = np.array(stored.dataobj, np.int16)
    for found, meant in (WHITE_TOO | PLEXUS).items():
        labels[labels == found] = meant
    voxel = float(abs(np.linalg.det(stored.affine[:3, :3])))
    header = stated_volumes(folder / f"{subject}.aseg.stats")
    counted = {n: float(np.isin(labels, k).sum()) * voxel for n, k in COUNTED.items()}
    return labels, counted | {name: header[key] for name, key in STATED.items() if key in header}


def dice(ours: NDArray[np.int16], theirs: NDArray[np.int16]) -> dict[str, float]:
    """Overlap of hard labels by structure."""
    out: dict[str, float] = {}
    for name, numbers in DICE.items():
        x, y = np.isin(ours, numbers), np.isin(theirs, numbers)
        out[name] = float(2 * (x & y).sum() / max(int(x.sum() + y.sum()), 1))
    return out


def measure_all(folder: Path, engine: Engine) -> list[dict[str, Any]]:
    """Measure every subject that is present."""
    rows: list[dict[str, Any]] = []
    for subject in SUBJECTS:
        if not (folder / f"{subject}.T1.mgz").exists():
            continue
        image = load(folder / f"{subject}.T1.mgz")
        start, cpu = time.perf_counter(), time.process_time()
        result = engine.measure(image)
        spent, used = time.perf_counter() - start, time.process_time() - cpu
        labels, volumes = reference(folder, subject)
        rows.append(
            {
                "subject": subject,
                "verdict": result.quality.verdict,
                "reasons": [r.code for r in result.quality.reasons],
                "seconds": spent,
                "cpu_seconds": used,
                "stages": result.seconds,
                "dice": {} if result.labels is None else dice(result.labels, labels),
                "ours": {n: m.value for n, m in result.volumes_mm3.items()},
                "theirs": volumes,
            }
        )
    return rows


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Print Dice and volumes as Markdown."""
    names = [row["subject"] for row in rows]
    print(f"| Dice with FreeSurfer | {' | '.join(names)} |\n|---|{'---|' * len(rows)}")
    for name in DICE:
        cells = [f"{row['dice'].get(name, float('nan')):.3f}" for row in rows]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        "\n| volume, ours / FreeSurfer | ", " | ".join(names), "| mean bias % | SD of bias % | r |"
    )
    print(f"|---|{'---|' * len(rows)}---|---|---|")
    for name in (*COUNTED, *STATED):
        pairs = [(r["ours"][name], r["theirs"].get(name)) for r in rows]
        if any(a is None or b is None for a, b in pairs):
            cells = ["not measured" if a is None else f"{a / 1e3:.2f} / -" for a, _ in pairs]
            print(f"| {name} (mL) | {' | '.join(cells)} | | | |")
            continue
        ours, theirs = np.array(pairs, np.float64).T
        bias = 100 * (ours / theirs - 1)
        cells = [f"{a / 1e3:.2f} / {b / 1e3:.2f}" for a, b in pairs]
        r = float(np.corrcoef(ours, theirs)[0, 1]) if len(rows) > 2 else float("nan")
        spread = f"{bias.mean():+.1f} | {bias.std(ddof=1):.1f} | {r:.2f}"
        print(f"| {name} (mL) | {' | '.join(cells)} | {spread} |")
    wall = [row["seconds"] for row in rows]
    cpu = [row["cpu_seconds"] for row in rows]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"\nseconds a head: wall {min(wall):.1f}-{max(wall):.1f}, cpu {min(cpu):.1f}-{max(cpu):.1f}"
    )
    print(f"peak memory {peak:.2f} GB; verdicts {[row['verdict'] for row in rows]}")
    print(PEERS)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "t1"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rows = measure_all(args.folder, Engine(threads=args.threads))
    if not rows:
        raise SystemExit(f"no FreeSurfer subjects found in {args.folder.name}: nothing measured")
    print_tables(rows)
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
