# SPDX-License-Identifier: Apache-2.0
"""Turn the readings of held-out synthetic heads into calibration.json, and say how good it is.

Bias is taken out by a line (factor and offset) fitted on the synthetic heads alone, left
and right together. The stated error is the larger of what is left there and, where given,
the root mean square deviation from FreeSurfer on real heads: real scans widen the error,
they never move a value. A quantity that explains less than a quarter of the truth's
variance is not shown: a constant would explain none of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

# Which raw volume: all probability, or only voxels over a level (see validate.py).
LEVEL = {"hippocampus": "0.5", "lateral_ventricle": "0.5", "third_ventricle": "0.5"}
WITH_OFFSET = ("hippocampus", "lateral_ventricle", "third_ventricle")
IN_MM3 = (
    "hippocampus",
    "hippocampus_total",
    "lateral_ventricle",
    "lateral_ventricles",
    "third_ventricle",
)
SIDES = {
    "hippocampus_left": "hippocampus",
    "hippocampus_right": "hippocampus",
    "lateral_ventricle_left": "lateral_ventricle",
    "lateral_ventricle_right": "lateral_ventricle",
}
SUMS = {
    "hippocampus_total": ("hippocampus_left", "hippocampus_right"),
    "lateral_ventricles": ("lateral_ventricle_left", "lateral_ventricle_right"),
}
LEAST_EXPLAINED = 0.25
NO_TRUTH_IN_FREESURFER = ("intracranial",)  # its eTIV is an estimate with 7.5 % spread itself
# Chosen between the worst good synthetic head and the best garbage (see MODEL_CARD.md).
GUARDS: dict[str, Any] = {
    "uncertainty": 0.42,
    "confidence": 0.775,
    "largest_share": 0.9,
    "residual_mm": 8.0,
    "volume_ratio": [0.35, 1.8],
    "brain_mm3": [800_000, 2_300_000],
    "head_uncertainty": 0.22,
}


def family(name: str) -> str:
    """A quantity without its side."""
    return SIDES.get(name, name)


def column(heads: list[dict[str, Any]], name: str) -> np.ndarray:
    """Raw volumes (mm3) as the engine uses them."""
    level = LEVEL.get(family(name))
    return np.array([h["cores"][level][name] if level else h["raw"][name] for h in heads])


def fit(name: str, raw: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Factor and offset (mm3) from raw to true, least squares in relative error."""
    weight = 1.0 / (true + 0.1 * true.mean())
    if name not in WITH_OFFSET:
        return float((raw * true * weight**2).sum() / ((raw * weight) ** 2).sum()), 0.0
    design = np.stack([raw, np.ones_like(raw)], 1) * weight[:, None]
    factor, offset = np.linalg.lstsq(design, true * weight, rcond=None)[0]
    return float(factor), float(offset)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def widen(line: dict[str, Any], name: str, real: list[dict[str, Any]]) -> None:
    """Let the deviation from FreeSurfer widen the error where it is larger."""
    names = [n for n in SIDES if family(n) == family(name)] or [name]
    pairs = [
        (r["ours"][n], r["theirs"][n])
        for r in real
        for n in names
        if r["ours"].get(n) is not None and n in r["theirs"]
    ]
    if not pairs or name in NO_TRUTH_IN_FREESURFER:
        return
    ours, theirs = np.array(pairs).T
    if family(name) in IN_MM3:
        line["error_mm3"] = round(max(line["error_mm3"], rms(ours - theirs)), 1)
    else:
        line["error_share"] = round(max(line["error_share"], rms(ours / theirs - 1)), 4)


def judge(name: str, raw: np.ndarray, true: np.ndarray, line: tuple[float, float]) -> Any:
    """Calibration entry of one quantity and its row in the table."""
    factor, offset = line
    value = factor * raw + offset
    residual = value - true
    entry: dict[str, Any] = {"scale": round(factor, 4), "offset_mm3": round(offset, 1)}
    relative = residual / true
    if family(name) in IN_MM3:
        small = true <= np.median(true)
        entry["error_mm3"] = round(rms(residual[small]), 1)
        relative = relative[~small]
    entry["error_share"] = round(rms(relative), 4)
    if 1 - residual.var() / true.var() < LEAST_EXPLAINED:
        entry = {"reason": "not_informative"}
    row = (
        f"| {name} | {true.mean() / 1e3:.2f} ({true.min() / 1e3:.2f}-{true.max() / 1e3:.2f}) "
        f"| {100 * (raw / true - 1).mean():+.1f} | {factor:.3f}, {offset:+.0f} "
        f"| {100 * (residual / true).std():.1f} | {100 * true.std() / true.mean():.1f} "
        f"| {np.corrcoef(raw, true)[0, 1]:.3f} | {'no' if 'reason' in entry else 'yes'} |"
    )
    return entry, row


def calibrate(heads: list[dict[str, Any]], real: list[dict[str, Any]]) -> dict[str, Any]:
    """Entries for every quantity; prints the table of the model card."""
    print(f"{len(heads)} held-out synthetic heads\n")
    print("| volume | truth mL, mean (range) | raw bias % | factor, offset mm3 ", end="")
    print("| residual SD % | SD of truth % | r | shown |\n|---|---|---|---|---|---|---|---|")
    truth = {n: np.array([h["truth"][n] for h in heads]) for n in heads[0]["truth"]}
    entries: dict[str, Any] = {}
    for name, true in truth.items():
        if name in SUMS:
            raw = sum(
                entries[side]["scale"] * column(heads, side) + entries[side]["offset_mm3"]
                for side in SUMS[name]
                if "scale" in entries[side]
            )
            if np.ndim(raw) == 0:
                entries[name] = {"reason": "not_informative"}
                continue
            line = (1.0, 0.0)
        else:
            alike = [n for n in truth if family(n) == family(name)]
            raw = column(heads, name)
            line = fit(
                family(name),
                np.concatenate([column(heads, n) for n in alike]),
                np.concatenate([truth[n] for n in alike]),
            )
        entries[name], row = judge(name, raw, true, line)
        print(row)
        if "reason" not in entries[name]:
            widen(entries[name], name, real)
    return entries


def main() -> None:
    """Write calibration.json and print the table of the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readings", type=Path, nargs="+", help="synthetic lines of validate.py")
    parser.add_argument("--out", type=Path, required=True, help="the engine's weights folder")
    parser.add_argument("--real", type=Path, help="JSON of benchmarks/segmentation.py")
    parser.add_argument("--leave-out", nargs="*", default=[], help="quantities not to show")
    args = parser.parse_args()
    heads = [json.loads(line) for path in args.readings for line in path.read_text().splitlines()]
    entries = calibrate(heads, json.loads(args.real.read_text()) if args.real else [])
    entries |= {name: {"reason": "not_informative"} for name in args.leave_out}
    levels = {name: float(level) for name, level in LEVEL.items()}
    stored = {"levels": levels, "volumes": entries, "guards": GUARDS}
    (args.out / "calibration.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
