# SPDX-License-Identifier: Apache-2.0
"""The interim engine `baseline`: three small networks of our own, run by onnxruntime.

A whole-head network at 3 mm finds the brain, its tissues and the mid-plane; boxes placed
on what it found are read again, finer, one side at a time with the right side mirrored:
the hippocampus at 1 mm, the ventricles and deep grey matter at 1.5 mm. Volumes are sums
of probabilities ("soft volumes"). See weights/MODEL_CARD.md for what was measured.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Misconfigured
from memoryguard.processor.domain import anatomy, drawing, quality, volumes
from memoryguard.processor.domain.drawing import Soft
from memoryguard.processor.domain.image import (
    Grid,
    Image,
    box,
    grid_of,
    sample,
    smoothed,
    surroundings,
    to_ras,
)
from memoryguard.processor.domain.measurement import Measured, Measurement, nothing

WEIGHTS: Final = Path(__file__).parent / "weights"
SIDES: Final = ("left", "right")
HIPPOCAMPAL: Final = ("hippocampus", "amygdala")
CENTRAL: Final = (
    "lateral_ventricle",
    "third_ventricle",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
)
TOP_TO_BRAIN_MM: Final = 80.0
"""From the top of the head down to the middle of the brain: only a first guess."""


@dataclass(frozen=True, slots=True)
class Network:
    """One ONNX file with its box and classes (read from manifest.json)."""

    session: Any
    shape: tuple[int, int, int]
    spacing_mm: float
    offset_mm: tuple[float, float, float]
    classes: tuple[str, ...]

    def read(self, image: Image, grid: Grid) -> Soft:
        """Class probabilities over a box of the image (intensities as in training)."""
        patch = sample(self.blurred(image, grid), grid, outside=float(image.voxels.min()))
        low, high = np.percentile(patch, (1.0, 99.0))
        scaled = np.clip((patch - low) / (high - low + 1e-6), 0.0, 1.4).astype(np.float32)
        output = self.session.run(None, {"box": scaled[None, None]})[0]
        return Soft(self.classes, np.asarray(output[0], np.float32), grid)

    def blurred(self, image: Image, grid: Grid) -> Image:
        """Cut the surroundings of a box out of the image, blurred for this spacing."""
        return smoothed(surroundings(image, grid, 3 * self.spacing_mm), self.spacing_mm)

    def place(self, centre_mm: NDArray[np.float64], *, mirrored: bool = False) -> Grid:
        """Return this network's box around an anchor."""
        offset = np.array(self.offset_mm) * ([-1.0, 1.0, 1.0] if mirrored else [1.0, 1.0, 1.0])
        return box(centre_mm + offset, self.shape, self.spacing_mm, mirrored=mirrored)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the networks say about one head; lists hold the left side first."""

    whole: Soft
    hippocampi: list[Soft]
    central: list[Soft]
    plane: anatomy.MidPlane
    fit: anatomy.Fit
    certainty: list[quality.Certainty]
    lit_head: float


@dataclass(slots=True)
class Clock:
    """Wall seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Add the time inside the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)


class BaselineEngine:
    """Measures a T1 head.

    Parameters
    ----------
    weights_dir
        Folder with manifest.json; the packaged one by default.
    threads
        Threads of each network run.

    Raises
    ------
    Misconfigured
        When a file is missing or is not the one that the manifest names.
    """

    name = "baseline"

    def __init__(self, weights_dir: Path | None = None, threads: int = 2) -> None:
        folder = WEIGHTS if weights_dir is None else weights_dir
        manifest = _read_manifest(folder)
        self.version: str = manifest["version"]
        self.weights_sha256: str = _fingerprint(manifest["files"])
        contents = {name: _checked(folder / name, sha) for name, sha in manifest["files"].items()}
        self._networks = {
            name: _network(entry, contents[entry["file"]], threads)
            for name, entry in manifest["networks"].items()
        }
        self._reference: dict[str, list[float]] = json.loads(contents["anatomy.json"])
        calibration: dict[str, Any] = json.loads(contents["calibration.json"])
        self._calibration = volumes.Calibration.from_dict(calibration)
        self._guards = quality.Guards(**calibration["guards"])

    def measure(self, image: Image) -> Measurement:
        """Measure one head; deterministic for the same image, weights and thread count.

        Parameters
        ----------
        image
            A T1-weighted head in any orientation, with or without its skull.

        Returns
        -------
        Measurement
            With every key; refused scans hold reasons instead of numbers.
        """
        clock, findings = Clock(), quality.Findings()
        with clock.stage("checks"):
            quality.check_geometry(image, findings)
            if not findings.refused:
                quality.check_intensities(image, findings)
        if findings.refused:
            return _refused(findings, clock)
        reading = self.read(image, clock)
        quality.check_whole(reading.whole, reading.fit, self._guards, findings)
        for side, sure in zip(SIDES, reading.certainty, strict=True):
            quality.check_structure(f"hippocampus_{side}", sure, self._guards, findings)
        if findings.refused:
            return _refused(findings, clock)
        quality.check_stripped(reading.lit_head, findings)
        measured = volumes.measure(
            reading.whole, reading.hippocampi, reading.central, self._calibration
        )
        with clock.stage("labels"):
            labels = _draw(image, reading)
        thickness = {"cortex_mean": Measured(None, None, "not_measured_by_engine")}
        return Measurement(findings.verdict(), measured, thickness, labels, clock.seconds)

    def read(self, image: Image, clock: Clock | None = None) -> Reading:
        """Run the networks without judging or calibrating what they say."""
        clock = clock or Clock()
        with clock.stage("locate"):
            upright = to_ras(image)
            whole = self._locate(upright)
            points = whole.grid.points()
            soft = {name: whole.of(name) for name in whole.names}
            brain_mm = anatomy.centroid(volumes.brain(whole), points)
            found = anatomy.layout(soft, points, brain_mm, whole.grid.voxel_volume_mm3)
            fit = anatomy.fit_reference(found.centroids_mm, self._reference)
            lit = quality.lit_head(whole, sample(upright, whole.grid))
        with clock.stage("hippocampi"):
            hippocampi = [self._hippocampus(upright, found, brain_mm, side) for side in (0, 1)]
            sure = [quality.certainty(part.of("hippocampus")) for part in hippocampi]
        with clock.stage("ventricles"):
            deep_mm = anatomy.deep_centre(soft, points)
            central = [self._central(upright, deep_mm, side) for side in (0, 1)]
        return Reading(whole, hippocampi, central, found.plane, fit, sure, lit)

    def _locate(self, image: Image) -> Soft:
        """Read the whole head, twice or three times, each time centred on the brain found."""
        network = self._networks["whole"]
        centre = first_guess(image)
        soft = network.read(image, network.place(centre))
        for _ in range(3):
            found = anatomy.centroid(volumes.brain(soft), soft.grid.points())
            if not np.isfinite(found).all() or float(np.linalg.norm(found - centre)) < 4.0:
                break
            centre = found
            soft = network.read(image, network.place(centre))
        return soft

    def _hippocampus(
        self, image: Image, found: anatomy.Layout, brain_mm: NDArray[np.float64], side: int
    ) -> Soft:
        """Read one hippocampus at 1 mm, again when it lies off the middle of its box."""
        network = self._networks["hippocampus"]
        centre = found.centroids_mm.get(f"hippocampus_{SIDES[side]}", brain_mm)
        soft = network.read(image, network.place(centre, mirrored=side == 1))
        refined = anatomy.centroid(soft.of("hippocampus"), soft.grid.points())
        moved = float(np.linalg.norm(refined - centre))  # NaN when nothing was found
        if not 2.0 < moved < 25.0:
            return soft
        return network.read(image, network.place(refined, mirrored=side == 1))

    def _central(self, image: Image, centre_mm: NDArray[np.float64], side: int) -> Soft:
        """Read one side's ventricles and deep grey matter."""
        centre_mm = np.where(np.isfinite(centre_mm), centre_mm, first_guess(image))
        network = self._networks["ventricles"]
        return network.read(image, network.place(centre_mm, mirrored=side == 1))


def first_guess(image: Image) -> NDArray[np.float64]:
    """Guess the middle of the brain: that of the head's upper part (world mm).

    Expects an image in RAS axis order; only a start, the network corrects it.
    """
    step = [max(1, round(6.0 / s)) for s in image.spacing_mm]
    values = image.voxels[:: step[0], :: step[1], :: step[2]]
    low, high = np.percentile(values, (5.0, 99.0))
    body = values > low + 0.15 * (high - low)
    ijk = np.indices(body.shape)[:, body] * np.array(step)[:, None]
    ras = image.ras_from_ijk[:3, :3] @ ijk + image.ras_from_ijk[:3, 3:]
    if ras.shape[1] == 0:
        return (
            image.ras_from_ijk[:3, :3] @ (np.array(image.voxels.shape) / 2)
            + (image.ras_from_ijk[:3, 3])
        )
    top = float(np.percentile(ras[2], 99.5))
    upper = ras[:, ras[2] > top - 2 * TOP_TO_BRAIN_MM]
    guess: NDArray[np.float64] = np.median(upper, axis=1)
    return guess


def _draw(image: Image, reading: Reading) -> NDArray[np.int16]:
    """Label map (int16, FreeSurfer numbers) on the input's own grid."""
    grid, plane = grid_of(image), reading.plane
    labels = np.zeros(grid.shape, np.int16)
    drawing.paint_whole(labels, grid, *drawing.whole_labels(reading.whole, plane))
    for side in (0, 1):
        drawing.paint_side(labels, grid, reading.central[side], side, CENTRAL, plane)
        drawing.paint_side(labels, grid, reading.hippocampi[side], side, HIPPOCAMPAL, plane)
    return labels


def _refused(findings: quality.Findings, clock: Clock) -> Measurement:
    measured, thickness = nothing("scan_refused")
    return Measurement(findings.verdict(), measured, thickness, None, clock.seconds)


def _read_manifest(folder: Path) -> dict[str, Any]:
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
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    session: Any = onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )
    i, j, k = entry["shape"]
    x, y, z = entry["offset_mm"]
    return Network(session, (i, j, k), entry["spacing_mm"], (x, y, z), tuple(entry["classes"]))
