# SPDX-License-Identifier: Apache-2.0
"""Average networks that were trained on from one another, tensor by tensor, into a checkpoint.

Stages see different variety; their mean keeps what each learned (Wortsman et al., "Robust
fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def main() -> None:
    """Write the mean; steps and seconds are those of all stages together."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("stages", type=Path, nargs="+", help="their checkpoints")
    args = parser.parse_args()
    stages = [torch.load(path) for path in args.stages]
    means = [stage["mean"] for stage in stages]
    mean = {key: sum(m[key] for m in means) / len(means) for key in means[0]}
    spent = {key: sum(stage[key] for stage in stages) for key in ("step", "seconds")}
    torch.save({"mean": mean, **spent}, args.out)


if __name__ == "__main__":
    main()
