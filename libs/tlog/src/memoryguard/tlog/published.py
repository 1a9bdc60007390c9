# SPDX-License-Identifier: Apache-2.0
"""Where the published log lies in an object store.

========================================  ====================================================
``log/tile/<level>/<index>[.p/<width>]``  the tree (C2SP tlog-tiles)
``log/entries/<scan>/<sequence>``         leaves of the entries behind results; sealed, as logged
``checkpoints/<size>``                    every signed checkpoint
``log/checkpoint``                        the newest: all above is there for it
========================================  ====================================================
"""

from __future__ import annotations

import re

from memoryguard.tlog.tiles import TILE_WIDTH, tile_path

CHECKPOINT = "log/checkpoint"
CHECKPOINTS = "checkpoints/"

_SCAN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


def tile(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile; a partial one has its width in it."""
    return f"log/{tile_path(level, index, width)}"


def partial_tiles(level: int, index: int) -> str:
    """Folder of a tile's partial forms."""
    return f"{tile(level, index)}.p"


def entries(scan_id: str) -> str | None:
    """Folder of a scan's entries; None when what is called a scan could not be part of a path."""
    return f"log/entries/{scan_id}" if _SCAN.fullmatch(scan_id) else None


def entry(folder: str, sequence: int) -> str:
    """Path of one entry in the folder of its scan."""
    return f"{folder}/{sequence:020d}"


def sequence(path: str) -> int:
    """Sequence number of the entry at a path."""
    return int(path.rpartition("/")[2])


def checkpoint(size: int) -> str:
    """Path of the signed checkpoint of that size."""
    return f"{CHECKPOINTS}{size:020d}"
