# SPDX-License-Identifier: Apache-2.0
"""Draw whole synthetic T1 heads from the maps that no network was trained on.

One in five is skull-stripped; 15 % have thick slices; contrast, noise, bias field, shape,
ventricles and hippocampi vary as in training, but the contrast is always T1-like.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from label_maps import HELD_OUT, LABELS
from plans import HELD_OUT_HEAD
from synthetic import Generator, load_heads


def main() -> None:
    """Draw and store the heads that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=17)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    source = Generator(HELD_OUT_HEAD, load_heads(args.maps, list(HELD_OUT)))
    for draw in range(args.each):
        for head, number in enumerate(HELD_OUT):
            path = args.out / f"{number}-{draw:02d}.npz"
            if path.exists():
                continue
            image, volumes = source.draw_head(777_000_000 + draw * 10 + head, head)
            np.savez(path, image=image, volumes_mm3=volumes, labels=np.array(LABELS))


if __name__ == "__main__":
    main()
