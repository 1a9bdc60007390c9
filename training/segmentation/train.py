# SPDX-License-Identifier: Apache-2.0
"""Train one network; stops and resumes at any step with the same result."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from label_maps import HELD_OUT
from nets import Net
from plans import PLANS
from synthetic import Generator, load_heads, prior_of

PRIOR_DRAWS = 400
LEAST_VOXELS = 20
"""A class with less than this in a box has no Dice term there: it would be mostly noise."""


def nearness(target: torch.Tensor, focus: list[int]) -> torch.Tensor:
    """Weight (1, i, j, k) of every voxel: 1 within about six of a focus class, else a fifth."""
    if not focus:
        return torch.ones_like(target[:, 0])
    present = F.max_pool3d(target[:, focus].sum(1), 4)
    near = (F.max_pool3d(present, 3, 1, 1) > 0).float()
    return 0.2 + 0.8 * F.interpolate(near[None], scale_factor=4.0)[0]


def loss_of(logits: torch.Tensor, target: torch.Tensor, focus: list[int]) -> torch.Tensor:
    """Cross-entropy plus soft Dice, both least when the probability equals the soft target.

    Focus classes weigh three times in Dice and add a fifth of the relative error of their volume.
    """
    log_p = F.log_softmax(logits, 1)
    weight = nearness(target, focus)
    entropy = -((target * log_p).sum(1) * weight).sum() / weight.sum()
    p = log_p.exp()[0].flatten(1)
    t = target[0].flatten(1)
    share = (t.sum(1) > LEAST_VOXELS).float()
    overlap = 2 * (p * t).sum(1) / ((p * p).sum(1) + (t * t).sum(1) + 1e-3)
    loss = entropy
    if focus:
        error = (p[focus].sum(1) / (t[focus].sum(1) + LEAST_VOXELS) - 1).abs()
        loss = loss + 0.2 * (error * share[focus]).mean()
        share[focus] = 3 * share[focus]
    return loss + 1 - (overlap * share).sum() / share.sum()


def borrow(net: Net, checkpoint: Path) -> None:
    """Start from another network's tensors wherever name and shape agree."""
    own, other = net.state_dict(), torch.load(checkpoint)["mean"]
    like = {k: v for k, v in other.items() if k in own and own[k].shape == v.shape and k != "prior"}
    net.load_state_dict(own | like)


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", choices=sorted(PLANS))
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="another network to take like tensors from")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="highest step size")
    args = parser.parse_args()
    plan = PLANS[args.plan]
    steps, highest = args.steps or plan.steps, args.rate or plan.rate
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    numbers = sorted(p.stem for p in args.maps.glob("*.npz") if p.stem not in HELD_OUT)
    focus = [list(plan.classes).index(name) for name in plan.focus]
    source = Generator(plan, load_heads(args.maps, numbers))
    net = Net(plan).to(memory_format=torch.channels_last_3d)
    if net.placed:
        net.prior.copy_(prior_of(source, PRIOR_DRAWS, args.seed * 10_000_000 - PRIOR_DRAWS))
    if args.start:
        borrow(net, args.start)
    mean = {k: v.detach().clone() for k, v in net.state_dict().items()}
    criterion = torch.compile(lambda box, place, target: loss_of(net(box, place), target, focus))
    optimiser = torch.optim.AdamW(net.parameters(), highest, weight_decay=1e-2)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, done, spent = args.out / f"{plan.name}.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        mean, done, spent = state["mean"], state["step"], state["seconds"]
    started, running = time.monotonic(), 0.0
    for step in range(done, steps):
        warm = min(1.0, (step + 1) / 100)
        rate = highest * warm * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-6
        for group in optimiser.param_groups:
            group["lr"] = rate
        drawn = source.draw(args.seed * 10_000_000 + step)
        box = drawn.image.contiguous(memory_format=torch.channels_last_3d)
        loss = criterion(box, drawn.place, source.target(drawn))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        keep = min(0.996, 1 - 8 / (step + 20))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                mean[key].lerp_(value, 1 - keep)
        running += (float(loss.detach()) - running) * (0.02 if step > 50 else 0.2)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            seconds = spent + time.monotonic() - started
            torch.save(
                {"net": net.state_dict(), "mean": mean, "optimiser": optimiser.state_dict(),
                 "step": step + 1, "seconds": seconds},
                checkpoint.with_suffix(".part"),
            )  # fmt: skip
            checkpoint.with_suffix(".part").replace(checkpoint)
            spoken = {"step": step + 1, "of": steps, "seconds": round(seconds)}
            print(json.dumps(spoken | {"loss": round(running, 4)}), flush=True)


if __name__ == "__main__":
    main()
