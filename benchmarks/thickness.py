# SPDX-License-Identifier: Apache-2.0
"""Mean cortical thickness beside FreeSurfer's, hemisphere by hemisphere, as a Markdown table.

Twice: our line integrals on FreeSurfer's own ribbon (the estimator alone), and on the engine's
soft maps (the estimator with the networks before it). The peer is a constant: a predictor that
says the same for everyone. What does not beat it carries no information and is not shown.

    python benchmarks/thickness.py [DATA_T1_FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.freesurfer import read_morph_data
from numpy.typing import NDArray
from segmentation import SUBJECTS, load

from memoryguard.processor.domain.thickness import mean_thickness
from memoryguard.processor.engine import Engine

RIBBON = {"left": ("lh", 2, 3), "right": ("rh", 41, 42)}
CONSTANT_SD = 2.2
"""Per cent: spread of mean thickness over the eight subjects that the peers were measured on."""


def on_ribbon(folder: Path, subject: str, side: str) -> tuple[float, float]:
    """Mean thickness (mm) of FreeSurfer's vertices, and ours on its ribbon."""
    hemisphere, white, cortex = RIBBON[side]
    vertices: NDArray[np.float64] = read_morph_data(folder / f"{subject}.{hemisphere}.thickness")
    stored: Any = nib.load(folder / f"{subject}.ribbon.mgz")
    ribbon = np.asarray(stored.dataobj)
    maps = ((ribbon == number).astype(np.float32) for number in (white, cortex))
    found = mean_thickness(*maps, float(stored.header.get_zooms()[0]))
    assert found is not None, f"{subject} has no ribbon"
    return float(vertices[vertices > 0].mean()), found.mean_mm


def on_maps(folder: Path, subject: str, engine: Engine) -> tuple[dict[str, float], float]:
    """Ours on the engine's maps (mm) by side, and cpu-seconds for both."""
    image = load(folder / f"{subject}.T1.mgz")
    reading = engine.read_whole(engine.read_inside(image, engine.locate(image)))
    spacing_mm = reading.lattice.voxel_volume_mm3 ** (1 / 3)
    out: dict[str, float] = {}
    started = time.process_time()
    for side in RIBBON:
        maps = (reading.parts[f"{tissue}_{side}"].probability for tissue in ("white", "cortex"))
        found = mean_thickness(*maps, spacing_mm)
        assert found is not None, f"{subject} has no cortex"
        out[side] = found.mean_mm
    return out, time.process_time() - started


def spread(ours: list[float], theirs: list[float]) -> str:
    """Mean ratio, its SD in per cent, and r."""
    ratio = np.array(ours) / np.array(theirs)
    r = np.corrcoef(ours, theirs)[0, 1]
    return f"{ratio.mean():.3f} | {100 * ratio.std(ddof=1) / ratio.mean():.2f} | {r:.2f}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "t1"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--weights", type=Path, default=None)
    args = parser.parse_args()
    subjects = [s for s in SUBJECTS if (args.folder / f"{s}.ribbon.mgz").exists()]
    if not subjects:
        raise SystemExit(f"no FreeSurfer subjects found in {args.folder.name}: nothing measured")
    engine = Engine(args.weights, threads=1)
    rows: list[dict[str, Any]] = []
    print("| hemisphere | FreeSurfer, mm | on its ribbon | on our maps |\n|---|---|---|---|")
    cpu_seconds: list[float] = []
    for subject in subjects:
        ours, seconds = on_maps(args.folder, subject, engine)
        cpu_seconds.append(seconds)
        for side in RIBBON:
            theirs, ribbon = on_ribbon(args.folder, subject, side)
            rows.append({"subject": subject, "side": side, "freesurfer_mm": theirs,
                         "ribbon_mm": ribbon, "ours_mm": ours[side]})  # fmt: skip
            print(f"| {subject} {side} | {theirs:.3f} | {ribbon:.3f} | {ours[side]:.3f} |")
    theirs = [row["freesurfer_mm"] for row in rows]
    print("\n| | ratio to FreeSurfer | its SD % | r |\n|---|---|---|---|")
    print(f"| on its ribbon | {spread([row['ribbon_mm'] for row in rows], theirs)} |")
    print(f"| on our maps | {spread([row['ours_mm'] for row in rows], theirs)} |")
    constant = 100 * np.std(theirs, ddof=1) / np.mean(theirs)
    print(f"| a constant | | {constant:.2f} here, {CONSTANT_SD} on eight subjects | 0 |")
    print(f"\ncpu-seconds for both hemispheres: {min(cpu_seconds):.1f}-{max(cpu_seconds):.1f}")
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
