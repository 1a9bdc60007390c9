# SPDX-License-Identifier: Apache-2.0
"""Measure how our engine's values relate to FreeSurfer's on heads measured with both.

    python training/risk/norms/measure_offsets.py --heads DIR/t1

DIR holds NAME.T1.mgz and NAME.aseg.stats. The terms of the public heads used here allow measuring
only: nothing of a single head is written, but the mean and SD of ln(ours / FreeSurfer's) by region,
their number and where they come from. ``make_packs.py`` turns that into the packs' calibrations.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from memoryguard.atrophy.domain.calibrate import ln_ratios
from memoryguard.processor.domain.image import Image
from memoryguard.processor.engine import Engine

OFFSETS = Path(__file__).with_name("offsets.json")
SOURCE = (
    "three adult heads of the public FreeSurfer-Training-Data repository, FreeSurfer 6 unedited;"
    " our engine read the images that FreeSurfer had normalised"
)
# Names in aseg.stats: a measure in the head of the file, or structures of its table added up.
MEASURES = {
    "cortical_grey_left": "lhCortexVol",
    "cortical_grey_right": "rhCortexVol",
    "cortical_grey_matter": "CortexVol",
    "cerebral_white_matter": "CerebralWhiteMatterVol",
    "total_brain": "BrainSegVolNotVent",
    "intracranial": "eTIV",
}
STRUCTURES = {
    "hippocampus_left": ("Left-Hippocampus",),
    "hippocampus_right": ("Right-Hippocampus",),
    "hippocampus_total": ("Left-Hippocampus", "Right-Hippocampus"),
    "lateral_ventricle_left": ("Left-Lateral-Ventricle",),
    "lateral_ventricle_right": ("Right-Lateral-Ventricle",),
    "lateral_ventricles": ("Left-Lateral-Ventricle", "Right-Lateral-Ventricle"),
    "third_ventricle": ("3rd-Ventricle",),
}


def freesurfer_mm3(stats: Path) -> dict[str, float]:
    """Volumes of one head as FreeSurfer's aseg.stats states them."""
    lines = stats.read_text(encoding="utf-8").splitlines()
    measures = [line.split(", ") for line in lines if line.startswith("# Measure ")]
    stated = {row[1]: float(row[3]) for row in measures}
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    table = {row[4]: float(row[3]) for row in rows}
    return {name: stated[key] for name, key in MEASURES.items()} | {
        name: sum(table[part] for part in parts) for name, parts in STRUCTURES.items()
    }


def ours_mm3(engine: Engine, head: Path) -> dict[str, float]:
    """Volumes of one head as our engine states them."""
    stored = nib.load(head)
    voxels = np.asarray(stored.dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    measured = engine.measure(Image(voxels, stored.affine))  # type: ignore[attr-defined]
    return {n: q.value for n, q in measured.volumes_mm3.items() if q.value is not None}


def main() -> None:
    """Measure every head and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, required=True)
    folder = parser.parse_args().heads
    engine = Engine()
    heads = sorted(folder.glob("*.aseg.stats"))
    theirs = [freesurfer_mm3(stats) for stats in heads]
    names = [stats.name.removesuffix(".aseg.stats") for stats in heads]
    ours = [ours_mm3(engine, folder / f"{name}.T1.mgz") for name in names]
    regions: dict[str, dict[str, float]] = {}
    for region in (*MEASURES, *STRUCTURES):
        mean, sd = ln_ratios([o[region] for o in ours], [t[region] for t in theirs])
        regions[region] = {"mean_ln": round(mean, 5), "sd_ln": round(sd, 5)}
    summary = {
        "engine": engine.name,
        "version": engine.version,
        "software": "FreeSurfer 6",
        "n": len(heads),
        "data": SOURCE,
        "regions": regions,
    }
    OFFSETS.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
