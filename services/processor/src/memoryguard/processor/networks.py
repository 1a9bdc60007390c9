# SPDX-License-Identifier: Apache-2.0
"""The shipped networks: ONNX files that are exactly those their manifest names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Misconfigured

WEIGHTS: Final = Path(__file__).parent / "weights"
CLIP: Final = 1.4
"""Intensities are cut off here, in units of the box's 1st to 99th percentile."""


@dataclass(frozen=True, slots=True)
class Network:
    """One ONNX file: the boxes it reads and the classes it names (from manifest.json).

    Parameters
    ----------
    session
        Of onnxruntime.
    shape
        Voxels of a box along x, y and z.
    spacing_mm
        Of its voxels, for a head of mean size.
    centres_mm
        Where its boxes lie in the head's frame (one-sided networks: on the left).
    classes
        In the order of its output.
    sided
        Those classes that belong to the box's own side. ``NAME_other`` is the other side's.
    """

    session: Any
    shape: tuple[int, int, int]
    spacing_mm: float
    centres_mm: tuple[tuple[float, float, float], ...]
    classes: tuple[str, ...]
    sided: tuple[str, ...]

    def read(self, box: NDArray[np.float32], place: int) -> NDArray[np.float32]:
        """Class probabilities (classes, i, j, k) of a box (i, j, k) of grey values.

        `place` is the index of the box's centre among `centres_mm`.
        """
        low, high = np.percentile(box, (1.0, 99.0))
        scaled = np.clip((box - low) / (high - low + 1e-6), 0.0, CLIP).astype(np.float32)
        fed = {"box": scaled[None, None], "place": np.array([place], np.int64)}
        wanted = {taken.name for taken in self.session.get_inputs()}
        output = self.session.run(None, {k: v for k, v in fed.items() if k in wanted})[0]
        return np.asarray(output, np.float32).swapaxes(0, 1)


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything in a weights folder."""

    version: str
    sha256: str
    networks: dict[str, Network]
    anatomy: dict[str, list[float]]
    calibration: dict[str, Any]


def load(folder: Path, threads: int) -> Weights:
    """Read a weights folder.

    Raises
    ------
    Misconfigured
        When a file is missing or is not the one that the manifest names.
    """
    manifest = _manifest(folder)
    contents = {name: _checked(folder / name, sha) for name, sha in manifest["files"].items()}
    networks = {
        name: _network(entry, contents[entry["file"]], threads)
        for name, entry in manifest["networks"].items()
    }
    return Weights(
        manifest["version"],
        _fingerprint(manifest["files"]),
        networks,
        json.loads(contents["anatomy.json"]),
        json.loads(contents["calibration.json"]),
    )


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise Misconfigured(
            "weights_missing", "The engine's weights have no readable manifest.json."
        ) from error
    return manifest


def _checked(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            "weights_missing", f"The weight file {path.name} is missing."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Misconfigured(
            "weights_altered",
            f"The weight file {path.name} is not the one its manifest names.",
            "Install the package again.",
        )
    return content


def _fingerprint(files: dict[str, str]) -> str:
    """SHA-256 over the manifest's hashes, in the order of the file names."""
    joined = "".join(files[name] for name in sorted(files))
    return hashlib.sha256(joined.encode()).hexdigest()


def _network(entry: dict[str, Any], content: bytes, threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One-sided networks read several boxes side by side, which scales better than sharing one.
    options.intra_op_num_threads = 1 if entry["sided"] else threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    session: Any = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    i, j, k = entry["shape"]
    centres = tuple((float(x), float(y), float(z)) for x, y, z in entry["centres_mm"])
    return Network(
        session,
        (i, j, k),
        entry["spacing_mm"],
        centres,
        tuple(entry["classes"]),
        tuple(entry["sided"]),
    )
