# SPDX-License-Identifier: Apache-2.0
"""Calibration and guards from readings of good synthetic heads: calibration.json.

Readings are those of benchmarks/readings.py. A volume's line (factor, and an offset for ventricles)
is fitted on heads of the maps that the networks know, both sides together; its stated error is what
is left on heads of the maps held back, widened by the deviation from FreeSurfer where that is
given. A volume that explains less than a quarter of the truth's variance is not shown.

The guards' bounds lie as far beyond the worst good head, painted from a known map or real, as that
is from the median one; heads of the maps held back and inputs that must be refused have no say in
them. A scan is warned of beyond the worst good head.

Thickness has no truth in painted heads: one factor from benchmarks/thickness.py brings it to
FreeSurfer's mean, and it is shown only where it beats a constant.

    python calibrate.py READINGS WEIGHTS [--real JSON] [--thickness JSON]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from seal import seal

WITH_OFFSET = (
    "lateral_ventricle",
    "inferior_lateral_ventricle",
    "third_ventricle",
    "fourth_ventricle",
)
PAIRS = {
    "hippocampus_total": "hippocampus",
    "lateral_ventricles": "lateral_ventricle",
    "cortical_grey_matter": "cortical_grey",
    "cerebral_white_matter": "cerebral_white",
}
"""Volumes that are stated as the sum of both sides, and so share their line."""
LEAST_EXPLAINED = 0.25
CONSTANT_SD = 0.022
"""Spread of mean thickness over the eight people on whom the peers were measured."""
NO_TRUTH_IN_FREESURFER = ("intracranial",)  # its eTIV is an estimate with 7.5 % spread itself
LOW = (
    "white_over_grey",
    "grey_over_fluid",
    "hippocampus_left",
    "hippocampus_right",
    "structures",
    "tissue",
    "stage_agreement",
)
"""Evidence that speaks against a scan where it is low."""
HIGH = ("residual_mm", "head_uncertainty", "look_difference")
"""Evidence that speaks against a scan where it is high."""
FIXED_REFUSE: dict[str, list[float | None]] = {
    # Half and double of the mean head's volume; adults' heads differ by less.
    "scale": [0.79, 1.26],
    # Beyond any adult brain and any hippocampus, also of severe dementia.
    "brain_mm3": [600_000.0, 2_000_000.0],
    "hippocampus_mm3": [500.0, 8_000.0],
    "cut_share": [None, 0.02],
    # Good heads lie so near to 1 that their spread bounds nothing: atrophied hippocampi of the maps
    # held back come in crumbs of 1 to 2 %.
    "hippocampus_pieces": [0.9, None],
}
FIXED_WARN: dict[str, list[float | None]] = {
    "lit_head": [0.5, None],
    "cut_share": [None, 0.002],
    "hippocampus_pieces": [0.97, None],
}
# Three standard errors of what no one would call the same contrast.
LEAST_CONTRAST = 0.3


def read(path: Path) -> list[dict[str, Any]]:
    """Lines of one kind of reading that could be read at all."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if "raw_mm3" in line]


def family(name: str) -> str:
    """A volume without its side."""
    return name.removesuffix("_left").removesuffix("_right")


def column(heads: list[dict[str, Any]], key: str, name: str) -> np.ndarray:
    """One volume (mm3) of every head."""
    return np.array([head[key][name] for head in heads])


def fit(raw: np.ndarray, true: np.ndarray, offset: bool) -> tuple[float, float]:
    """Factor and offset (mm3) from raw to true, least squares in relative error."""
    weight = 1.0 / (true + 0.1 * true.mean())
    if not offset:
        return float((raw * true * weight**2).sum() / ((raw * weight) ** 2).sum()), 0.0
    design = np.stack([raw, np.ones_like(raw)], 1) * weight[:, None]
    factor, shift = np.linalg.lstsq(design, true * weight, rcond=None)[0]
    return float(factor), float(shift)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def errors(value: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Error in mm3 from the smaller half of the heads, as a share from the larger."""
    small = true <= np.median(true)
    return {
        "error_mm3": round(rms((value - true)[small]), 1),
        "error_share": round(rms((value / true - 1)[~small]), 4),
    }


Pairs = list[tuple[dict[str, float], dict[str, float]]]


def beside_freesurfer(scans: list[dict[str, Any]], real: list[dict[str, Any]]) -> Pairs:
    """Raw volumes and FreeSurfer's of every real subject that has both."""
    raw = {scan["name"].split(".")[0]: scan["raw_mm3"] for scan in scans}
    return [(raw[row["subject"]], row["theirs"]) for row in real if row["subject"] in raw]


def alike_in(pairs: Pairs, name: str) -> np.ndarray:
    """Raw (0) and FreeSurfer's (1) volumes of a structure, both sides of every subject."""
    found = [(ours[n], theirs[n]) for ours, theirs in pairs for n in theirs
             if family(n) == family(name) and n in ours]  # fmt: skip
    return np.array(found).reshape(-1, 2).T


def widen(entry: dict[str, Any], raw: np.ndarray, theirs: np.ndarray) -> None:
    """Let the deviation from FreeSurfer widen the error where it is larger."""
    off = (entry["scale"] * raw + entry["offset_mm3"]) / theirs - 1
    entry["error_share"] = round(max(entry["error_share"], rms(off)), 4)


def lines(known: list[dict[str, Any]], unseen: list[dict[str, Any]], real: Pairs) -> dict[str, Any]:
    """Entries of every volume; prints the table of the model card."""
    print(f"{len(known)} heads of known maps, {len(unseen)} of maps held back\n")
    print("| volume | truth mL, mean (range) | factor, offset mm3 | bias % | residual SD % "
          "| slope | r | shown |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    entries: dict[str, Any] = {}
    for name in known[0]["truth_mm3"]:
        side = PAIRS.get(name, family(name))
        alike = [n for n in known[0]["truth_mm3"] if family(n) == side]
        raw = np.concatenate([column(known, "raw_mm3", n) for n in alike])
        true = np.concatenate([column(known, "truth_mm3", n) for n in alike])
        factor, offset = fit(raw, true, side in WITH_OFFSET)
        factor, offset = round(factor, 4), round(offset, 1) * (2 if name in PAIRS else 1)
        value = factor * column(unseen, "raw_mm3", name) + offset
        true = column(unseen, "truth_mm3", name)
        entry: dict[str, Any] = {"scale": factor, "offset_mm3": offset}
        entry |= errors(value, true)
        shown = 1 - (value - true).var() / true.var() >= LEAST_EXPLAINED
        compared = alike_in(real, name)
        if shown and compared.size and family(name) not in NO_TRUTH_IN_FREESURFER:
            widen(entry, *compared)
        entries[name] = entry if shown else {"reason": "not_informative"}
        share = 100 * (value / true - 1)
        slope = np.polyfit(true, value, 1)[0]
        print(
            f"| {name} | {true.mean() / 1e3:.2f} ({true.min() / 1e3:.2f}-{true.max() / 1e3:.2f}) "
            f"| {factor:.3f}, {offset:+.0f} | {share.mean():+.1f} | {share.std():.1f} "
            f"| {slope:.2f} | {np.corrcoef(value, true)[0, 1]:.3f} | {'yes' if shown else 'no'} |"
        )
    return entries


def thickness_line(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Factor and error of thickness, both over all hemispheres that were compared."""
    ratio = np.array([row["freesurfer_mm"] / row["ours_mm"] for row in rows])
    spread = ratio.std(ddof=1) / ratio.mean() if rows else np.inf
    if spread >= CONSTANT_SD:
        return {"reason": "not_informative"}
    return {"scale": round(float(ratio.mean()), 4), "error_share": round(float(spread), 4)}


def bounds(heads: list[dict[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """Bounds that refuse and that warn."""
    refuse, warn = dict(FIXED_REFUSE), dict(FIXED_WARN)
    for name in (*LOW, *HIGH):
        alike = [n for n in (*LOW, *HIGH) if family(n) == family(name)]  # both sides alike
        values = np.array([head["evidence"][n] for head in heads for n in alike])
        middle = float(np.median(values))
        worst = float(values.min() if name in LOW else values.max())
        limit = worst + (worst - middle)
        if name.endswith(("_over_grey", "_over_fluid")):
            limit = max(limit, LEAST_CONTRAST)
        for kept, value in ((refuse, limit), (warn, worst)):
            # Rounded outward, so that the worst good head itself lies inside.
            below, above = np.floor(value * 1e4) / 1e4, np.ceil(value * 1e4) / 1e4
            kept[name] = [below, None] if name in LOW else [None, above]
    return {"refuse": refuse, "warn": warn}


def main() -> None:
    """Write calibration.json, print the model card's table, seal the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("readings", type=Path, help="folder that readings.py filled")
    parser.add_argument("weights", type=Path, help="the engine's weights folder")
    parser.add_argument("--real", type=Path, help="JSON of benchmarks/segmentation.py")
    parser.add_argument("--thickness", type=Path, help="JSON of benchmarks/thickness.py")
    args = parser.parse_args()
    known, unseen, scans = (
        read(args.readings / f"{kind}.jsonl") for kind in ("training", "held_back", "real")
    )
    real = json.loads(args.real.read_text()) if args.real else []
    thick = json.loads(args.thickness.read_text()) if args.thickness else []
    stored = {
        "volumes": lines(known, unseen, beside_freesurfer(scans, real)),
        "thickness": thickness_line(thick),
        "guards": bounds(known + scans),
    }
    (args.weights / "calibration.json").write_text(json.dumps(stored, indent=1) + "\n")
    seal(args.weights)


if __name__ == "__main__":
    main()
