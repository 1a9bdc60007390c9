# SPDX-License-Identifier: Apache-2.0
"""Turn a shipped network back into a checkpoint, to train on from it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from nets import Net
from onnx import numpy_helper
from plans import PLANS


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Every stored tensor of an ONNX file, in single precision, by its name in `Flat`."""
    stored = onnx.load(path).graph.initializer
    return {
        t.name.removeprefix("net.").removesuffix(".half"): torch.from_numpy(
            np.array(numpy_helper.to_array(t), np.float32)
        )
        for t in stored
    }


def convolution(flat: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """Kernels (out, in, 3, 3, 3) of what `Flat` keeps as three planes per input."""
    count = sum(key.startswith(f"{name}.weights.") for key in flat)
    planes = [flat[f"{name}.weights.{n}"] for n in range(count)]
    inputs = [torch.stack(planes[n : n + 3], 2) for n in range(0, count, 3)]
    return torch.cat(inputs, 1)


def restored(flat: dict[str, torch.Tensor], net: Net) -> dict[str, torch.Tensor]:
    """Give the state of the network that `Flat` was made of."""
    out = {"stem.weight": flat["stem.weight"][:, None], "stem.bias": flat["stem.bias"]}
    stages = [f"down.{n}" for n in range(len(net.down))] + [f"up.{n}" for n in range(len(net.up))]
    for stage in stages:
        for place, (conv, norm) in enumerate((("first", 0), ("second", 1))):
            out[f"{stage}.{3 * place}.weight"] = convolution(flat, f"{stage}.{conv}")
            for kind in ("weight", "bias"):
                value = flat[f"{stage}.norms.{norm}.{kind}"].flatten()
                out[f"{stage}.{3 * place + 1}.norm.{kind}"] = value
    for n in range(len(net.squeeze)):
        out[f"squeeze.{n}.weight"] = flat[f"squeeze.{n}.weight"][..., None]
        out[f"squeeze.{n}.bias"] = flat[f"squeeze.{n}.bias"]
    fold, made = net.stem.stride[0], net.unfold.out_channels
    spread = flat["unfold.weight"].reshape(fold, made, fold, fold, -1)
    out["unfold.weight"] = spread.permute(4, 1, 0, 2, 3)
    out["unfold.bias"] = flat["unfold.bias"].reshape(fold, made, fold, fold)[0, :, 0, 0]
    if net.refine is not None:
        out["refine.0.weight"] = convolution(flat, "refine")
        out["refine.1.norm.weight"] = flat["refined.weight"].flatten()
        out["refine.1.norm.bias"] = flat["refined.bias"].flatten()
        out["refine.3.weight"] = flat["last.weight"][..., None]
        out["refine.3.bias"] = flat["last.bias"]
    if net.placed:
        out["prior"] = flat["prior"].transpose(1, 2)
    return out


def main() -> None:
    """Write one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=sorted(PLANS))
    parser.add_argument("weights", type=Path, help="the engine's weights folder")
    parser.add_argument("out", type=Path, help="file for the checkpoint")
    args = parser.parse_args()
    net = Net(PLANS[args.plan])
    state = restored(tensors(args.weights / f"{args.plan}.onnx"), net)
    net.load_state_dict({key: value.contiguous() for key, value in state.items()})
    args.out.parent.mkdir(parents=True, exist_ok=True)
    made = json.loads((args.weights / "manifest.json").read_text())["networks"][args.plan]
    spent = {"step": made["steps"], "seconds": 60 * made["training_minutes"]}
    torch.save({"mean": net.state_dict(), **spent}, args.out)


if __name__ == "__main__":
    main()
