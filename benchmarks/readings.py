# SPDX-License-Identifier: Apache-2.0
"""Read many heads with the engine and note what it says: one JSON line a head.

Kinds, each a file ``KIND.jsonl`` in the folder; a run goes on where it stopped:

- ``training``: heads drawn from the maps that the networks know, for calibration and guards;
- ``held_back``: heads drawn from the maps that no network saw, some with smaller hippocampi;
- ``shrunk``: one head of each held-back map, its hippocampi made 0 to 20 % smaller;
- ``real``: the real T1s beside the checkout;
- ``rescan``: the same, turned, resampled, with other noise and bias fields;
- ``bad``: what must be refused (benchmarks/bad_inputs.py).

    python benchmarks/readings.py FOLDER KIND... [--weights FOLDER] [--threads 1]

segmentation.py makes tables of them; training/segmentation/calibrate.py the calibration.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from bad_inputs import bad_inputs
from heads import HELD_BACK, LABEL_MAPS, Recipe, draw, read_map, rescan
from rich.progress import track

from memoryguard.processor.domain import quality, volumes
from memoryguard.processor.domain.image import Image
from memoryguard.processor.engine import Engine, inside_evidence, whole_evidence

T1 = LABEL_MAPS.parent / "t1"
FAULTY = ("07",)
SHARES = (0.0, 0.01, 0.02, 0.05, 0.08, 0.12, 0.16, 0.20)
TRAINING_HEADS, HELD_BACK_HEADS, RESCANS = 3, 44, 8

Draw = Callable[[], tuple[Image, dict[str, float]]]


def recipe(seed: int, shrink: float = 0.0) -> Recipe:
    """Everything random about a good head: turned, of any size, 0.8 to 1.5 mm, some stripped."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.8, 1.5) if rng.random() < 0.5 else 1.0
    through = rng.uniform(1.0, 1.4) if rng.random() < 0.3 else 1.0
    spacing = rng.permutation([near, near, min(near * through, 1.5)])
    x, y, z = rng.uniform(-12, 12, 3)
    return Recipe(
        seed=seed,
        rotation_deg=(x, y, z),
        size=rng.uniform(0.93, 1.07),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        noise=rng.uniform(0.01, 0.06),
        bias=rng.uniform(0.0, 0.2),
        shrink=shrink,
        stripped=rng.random() < 0.15,
    )


def training_heads() -> Iterator[tuple[str, Draw]]:
    """Three heads of each map that the networks were trained on."""
    numbers = [p.name[13:15] for p in sorted(LABEL_MAPS.glob("training_seg_*.nii.gz"))]
    for number in numbers:
        for n in range(TRAINING_HEADS) if number not in (*FAULTY, *HELD_BACK) else ():
            seed = 1000 * int(number) + n
            yield (
                f"{number}-{n}",
                lambda number=number, seed=seed: draw(read_map(number), recipe(seed)),
            )


def held_back_heads() -> Iterator[tuple[str, Draw]]:
    """Heads of the maps held back; every other one loses up to a fifth of its hippocampi."""
    for n in range(HELD_BACK_HEADS):
        for number in HELD_BACK:
            seed = 100_000 + 1000 * int(number) + n
            shrink = 0.0 if n % 2 else float(np.random.default_rng(seed).uniform(0, 0.2))
            yield (
                f"{number}-{n}",
                lambda number=number, seed=seed, shrink=shrink: draw(
                    read_map(number), recipe(seed, shrink)
                ),
            )


def shrunk_heads() -> Iterator[tuple[str, Draw]]:
    """The same head again and again, only its hippocampi smaller."""
    for number in HELD_BACK:
        for share in SHARES:
            yield (
                f"{number}-{share:.2f}",
                lambda number=number, share=share: draw(
                    read_map(number), Recipe(seed=77, rotation_deg=(3.0, -4.0, 2.0), shrink=share)
                ),
            )


def load(path: Path) -> Image:
    """Read a T1 (any format that nibabel reads)."""
    stored: Any = nib.load(path)
    return Image(np.asarray(stored.dataobj, np.float32).squeeze(), np.asarray(stored.affine, float))


def real_heads() -> Iterator[tuple[str, Draw]]:
    """Real T1s."""
    for path in (*sorted(T1.glob("*.T1.mgz")), *sorted(T1.glob("*_t1.nii.gz"))):
        yield path.name, lambda path=path: (load(path), {})


def rescans() -> Iterator[tuple[str, Draw]]:
    """Real T1s again."""
    for path in (*sorted(T1.glob("*.T1.mgz")), *sorted(T1.glob("*_t1.nii.gz"))):
        for n in range(RESCANS):
            yield f"{path.name} {n}", lambda path=path, n=n: (rescan(load(path), 500 + n), {})


def bad_heads() -> Iterator[tuple[str, Draw]]:
    """What is no usable T1 head."""
    head, _ = draw(read_map("18"), Recipe(seed=3))
    for case in bad_inputs(head, read_map("09")):
        yield case.name, lambda case=case: (case.image, {})


KINDS: dict[str, Callable[[], Iterator[tuple[str, Draw]]]] = {
    "training": training_heads,
    "held_back": held_back_heads,
    "shrunk": shrunk_heads,
    "real": real_heads,
    "rescan": rescans,
    "bad": bad_heads,
}


def note(engine: Engine, image: Image) -> dict[str, Any]:
    """Verdict, evidence and volumes before calibration; those of refused heads too."""
    started, cpu = time.perf_counter(), time.process_time()
    findings = quality.Findings()
    line: dict[str, Any] = {}
    quality.check_geometry(image, findings)
    if not findings.refused:
        quality.check_intensities(image, findings)
    if not findings.refused:
        located = engine.locate(image)
        evidence = quality.located_evidence(located)
        if located.frame.found:
            inside = engine.read_inside(image, located)
            reading = engine.read_whole(inside)
            evidence |= inside_evidence(inside) | whole_evidence(image, reading)
            voxel_mm3 = reading.lattice.voxel_volume_mm3
            line["raw_mm3"] = volumes.raw_volumes(reading.parts, voxel_mm3)
        engine.guards.judge(evidence, findings)
        line["evidence"] = evidence
    verdict = findings.verdict()
    return line | {
        "verdict": verdict.verdict,
        "reasons": [reason.code for reason in verdict.reasons],
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
    }


def main() -> None:
    """Read what is not read yet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="+", choices=sorted(KINDS))
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    engine = Engine(args.weights, threads=args.threads)
    for kind in args.kinds:
        path = args.folder / f"{kind}.jsonl"
        known = path.read_text().splitlines() if path.exists() else []
        done = {json.loads(line)["name"] for line in known}
        with path.open("a") as out:
            for name, make in track(list(KINDS[kind]()), f"{kind}:"):
                if name not in done:
                    image, truth = make()
                    line = {"name": name, "truth_mm3": truth} | note(engine, image)
                    out.write(json.dumps(line) + "\n")
                    out.flush()


if __name__ == "__main__":
    main()
