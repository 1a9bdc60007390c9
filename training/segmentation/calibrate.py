# SPDX-License-Identifier: Apache-2.0
"""Turn the readings of held-out synthetic heads into calibration.json, and say how good it is.

Bias is taken out by one factor a quantity (ventricles: a factor and an offset, because the
excess is a rim); what remains is the stated error. A quantity that explains less than half
of the spread of the truth is not shown. Real scans never enter.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

WITH_OFFSET = ("lateral_ventricle_left", "lateral_ventricle_right", "third_ventricle")
SUMS = {
    "hippocampus_total": ("hippocampus_left", "hippocampus_right"),
    "lateral_ventricles": ("lateral_ventricle_left", "lateral_ventricle_right"),
}
# Chosen between the worst good synthetic head and the best garbage (see MODEL_CARD.md).
GUARDS: dict[str, Any] = {
    "uncertainty": 0.24,
    "confidence": 0.81,
    "largest_share": 0.9,
    "residual_mm": 6.0,
    "volume_ratio": [0.5, 1.8],
    "brain_mm3": [800_000, 2_300_000],
    "head_uncertainty": 0.2,
}


def fit(name: str, raw: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Factor and offset (mm3) from raw to true, least squares in relative error."""
    weight = 1.0 / (true + 0.1 * true.mean())
    if name not in WITH_OFFSET:
        return float((raw * true * weight**2).sum() / ((raw * weight) ** 2).sum()), 0.0
    design = np.stack([raw, np.ones_like(raw)], 1) * weight[:, None]
    factor, offset = np.linalg.lstsq(design, true * weight, rcond=None)[0]
    return float(factor), float(offset)


def judge(name: str, raw: np.ndarray, true: np.ndarray) -> tuple[dict[str, Any], str]:
    """Calibration line of one quantity and its row in the table."""
    factor, offset = fit(name, raw, true)
    value = factor * raw + offset
    residual = value - true
    explained = 1 - residual.var() / true.var()
    r = float(np.corrcoef(raw, true)[0, 1])
    bias = 100 * (raw / true - 1)
    line: dict[str, Any] = {"scale": round(factor, 4), "offset_mm3": round(offset, 1)}
    if name in WITH_OFFSET:
        small = true <= np.median(true)
        line["error_mm3"] = round(float(np.sqrt((residual[small] ** 2).mean())), 1)
        relative = residual[~small] / true[~small]
    else:
        relative = residual / true
    line["error_share"] = round(float(np.sqrt((relative**2).mean())), 4)
    if explained < 0.5:
        line = {"reason": "not_informative"}
    row = (
        f"| {name} | {true.mean() / 1e3:.2f} ({true.min() / 1e3:.2f}-{true.max() / 1e3:.2f}) "
        f"| {bias.mean():+.1f} | {factor:.3f}, {offset:+.0f} "
        f"| {100 * (residual / true).std():.1f} | {100 * true.std() / true.mean():.1f} | {r:.3f} |"
    )
    return line, row


def main() -> None:
    """Write calibration.json and print the table of the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readings", type=Path, help="synthetic lines of validate.py")
    parser.add_argument("out", type=Path, help="the engine's weights folder")
    parser.add_argument("--leave-out", nargs="*", default=[], help="quantities not to show")
    args = parser.parse_args()
    heads = [json.loads(line) for line in args.readings.read_text().splitlines()]
    print(f"{len(heads)} held-out synthetic heads")
    print("| volume | truth mL, mean (range) | raw bias % | factor, offset mm3 "
          "| residual SD % | SD of truth % | r |\n|---|---|---|---|---|---|---|")  # fmt: skip
    lines: dict[str, Any] = {}
    for name in heads[0]["truth"]:
        raw, true = (np.array([h[key][name] for h in heads]) for key in ("raw", "truth"))
        sides = [lines[side] for side in SUMS.get(name, ())]
        if sides and all("reason" not in side for side in sides):
            raw = sum(  # of the sides as they are stated
                line["scale"] * np.array([h["raw"][side] for h in heads]) + line["offset_mm3"]
                for side, line in zip(SUMS[name], sides, strict=True)
            )
        lines[name], row = judge(name, raw, true)
        print(row)
        if name in SUMS and "reason" not in lines[name]:
            lines[name] |= {"scale": 1.0, "offset_mm3": 0.0}
    for name in args.leave_out:
        lines[name] = {"reason": "not_informative"}
    stored = {"volumes": lines, "guards": GUARDS}
    (args.out / "calibration.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
