# SPDX-License-Identifier: Apache-2.0
"""Write the trained networks as ONNX files with the manifest that the engine checks."""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from flat import Flat
from label_maps import HELD_OUT
from nets import Net
from onnx import TensorProto, helper, numpy_helper
from plans import MIRROR, PLANS, WHOLE, Plan
from seen import as_seen
from synthetic import Generator, load_heads
from torch import nn

ANATOMY_DRAWS = 150

LEAST_HALVED = 1000
"""Smaller tensors (norms, biases) keep single precision."""


class Probabilities(nn.Module):
    """A network with its softmax, as it is shipped."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = Flat(net)

    def forward(self, box: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """Box (1, 1, i, j, k) at a place (1,) -> probabilities (i, classes, j, k)."""
        # Spelt out: onnxruntime's own Softmax over channels takes much longer.
        logits = self.net(box, place)
        shares = torch.exp(logits - logits.amax(1, keepdim=True))
        return shares / shares.sum(1, keepdim=True)


def sided(plan: Plan) -> list[str]:
    """Classes that only hold left-hemisphere labels."""
    return [
        name
        for name, labels in plan.classes.items()
        if labels and all(label in MIRROR for label in labels)
    ]


def halve(path: Path) -> None:
    """Store large weights in half precision; the file casts them back when it is loaded."""
    model = onnx.load(path)
    casts = []
    for stored in model.graph.initializer:
        values = numpy_helper.to_array(stored)
        if values.dtype == np.float32 and values.size > LEAST_HALVED:
            name = stored.name
            stored.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write(name: str, checkpoint: Path, out: Path) -> dict[str, object]:
    """Export one network (running mean of its weights) and compare it with torch."""
    plan, state = PLANS[name], torch.load(checkpoint)
    net = Net(plan)
    net.load_state_dict(state["mean"])
    model = Probabilities(net).eval()
    box = torch.rand(1, 1, *plan.shape)
    place = torch.tensor([0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (box, place), out, input_names=["box", "place"],
            output_names=["probability"], opset_version=17, dynamo=False,
        )  # fmt: skip
    halve(out)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = net(box, place).softmax(1)[0].transpose(0, 1).numpy()
    fed = {"box": box.numpy()} | ({"place": place.numpy()} if plan.one_side else {})
    difference = float(np.abs(session.run(None, fed)[0] - expected).max())
    print(name, "step", state["step"], "minutes", round(state["seconds"] / 60, 1),
          "MB", round(out.stat().st_size / 1e6, 2), "difference", difference)  # fmt: skip
    return {
        "file": out.name,
        "shape": plan.shape,
        "spacing_mm": plan.spacing_mm,
        "centres_mm": plan.centres_mm,
        "classes": list(plan.classes),
        "sided": sided(plan) if plan.one_side else [],
        "steps": state["step"],
        "training_minutes": round(state["seconds"] / 60, 1),
    }


def seen_by(checkpoint: Path, maps: Path) -> dict[str, list[float]]:
    """Where the whole-head network finds the structures of training heads."""
    net = Net(WHOLE)
    net.load_state_dict(torch.load(checkpoint)["mean"])
    model = Probabilities(net).eval()
    numbers = sorted(p.stem for p in maps.glob("*.npz") if p.stem not in HELD_OUT)
    source = Generator(replace(WHOLE, far_shift_mm=0.0), load_heads(maps, numbers))

    def read(box: torch.Tensor) -> torch.Tensor:
        return model(box, torch.tensor([0])).transpose(0, 1)

    with torch.no_grad():
        return as_seen(read, source, ANATOMY_DRAWS, 5)


def main() -> None:
    """Export every network and the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of checkpoints")
    parser.add_argument("maps", type=Path, help="what label_maps.py wrote")
    parser.add_argument("out", type=Path, help="the engine's weights folder")
    parser.add_argument("--version", default="1.0.0")
    args = parser.parse_args()
    networks = {
        name: write(name, args.runs / f"{name}.pt", args.out / f"{name}.onnx") for name in PLANS
    }
    seen = seen_by(args.runs / "whole.pt", args.maps)
    (args.out / "anatomy.json").write_text(json.dumps(seen, indent=1) + "\n")
    seal(args.out, networks, args.version)


def seal(out: Path, networks: dict[str, dict[str, object]], version: str) -> None:
    """Write manifest.json with the hash of every file that changes a number."""
    names = [str(entry["file"]) for entry in networks.values()]
    names += ["anatomy.json", "calibration.json"]
    manifest = {
        "engine": "headframe",
        "version": version,
        "files": {n: hashlib.sha256((out / n).read_bytes()).hexdigest() for n in sorted(names)},
        "networks": networks,
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
