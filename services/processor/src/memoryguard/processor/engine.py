# SPDX-License-Identifier: Apache-2.0
"""The engine `headframe`: four small networks of our own, run by onnxruntime.

A whole-head network at 3 mm finds the brain and the head's own frame: where the mid-plane is, how
the head is turned, how large it is. The image is read once onto a lattice along that frame, at
1 mm for a head of mean size. There the deep network reads ventricles and nuclei, the temporal
network hippocampi, amygdalae and temporal horns, and the tissue network the whole brain in
overlapping boxes; each one side at a time with the right side mirrored. After every look the scan
may be refused. Volumes are sums of probabilities. See docs/MEASUREMENT.md.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain import head, quality, thickness, volumes
from memoryguard.processor.domain.head import Blend, Look, Part
from memoryguard.processor.domain.image import Grid, Image, grid_of, to_ras
from memoryguard.processor.domain.labelling import label
from memoryguard.processor.domain.locating import Eye, Located, locate
from memoryguard.processor.domain.measurement import Measurement, Quality, nothing
from memoryguard.processor.networks import WEIGHTS, load

STRUCTURES: Final = (
    *volumes.NUCLEI,
    "ventral",
    "hippocampus",
    "amygdala",
    "lateral_ventricle",
    "inferior_lateral_ventricle",
    "third_ventricle",
)
"""What the deep network decides about, where the temporal one does not look closer."""
TEMPORAL: Final = ("hippocampus", "amygdala", "inferior_lateral_ventricle")
"""What the temporal network decides about."""
LOOSE: Final = ("deep_grey", "ventricle")
"""Tissue classes that only hold the place of what the deep network tells apart."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What the networks say about the inside of one brain.

    `parts` are probabilities on the `lattice`, together one distribution; `voxels` is the image
    there.
    """

    located: Located
    lattice: Grid
    voxels: NDArray[np.float32]
    parts: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Reading(Inside):
    """What the networks say about one whole head.

    `look_difference` is that of the tissue network's overlapping boxes.
    """

    look_difference: float


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


class Engine:
    """Measures a T1 head.

    Parameters
    ----------
    weights_dir
        Folder with manifest.json; the packaged one by default.
    threads
        Cores to use.

    Raises
    ------
    Misconfigured
        When a file is missing or is not the one that the manifest names.
    """

    name = "headframe"

    def __init__(self, weights_dir: Path | None = None, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads)
        weights = load(WEIGHTS if weights_dir is None else weights_dir, threads)
        self.version = weights.version
        self.weights_sha256 = weights.sha256
        self._networks = weights.networks
        self._anatomy = weights.anatomy
        self._lines = volumes.lines_from(weights.calibration)
        self._thickness = volumes.Line(**weights.calibration["thickness"])
        self.guards = quality.Guards(**weights.calibration["guards"])

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
        with clock.stage("locate"):
            upright = to_ras(image)
        located = self.locate(upright, clock)
        if not located.frame.found:
            findings.refuse("no_brain", "No brain was found.")
            return _refused(findings, clock)
        self.guards.judge(quality.located_evidence(located), findings)
        if findings.refused:
            return _refused(findings, clock)
        inside = self.read_inside(upright, located, clock)
        with clock.stage("quality"):
            self.guards.judge(inside_evidence(inside), findings)
        if findings.refused:
            return _refused(findings, clock)
        reading = self.read_whole(inside, clock)
        with clock.stage("quality"):
            self.guards.judge(whole_evidence(image, reading), findings)
        if findings.refused:
            return _refused(findings, clock)
        return self._measured(image, reading, findings.verdict(), clock)

    def _measured(
        self, image: Image, reading: Reading, verdict: Quality, clock: Clock
    ) -> Measurement:
        spacing_mm = reading.lattice.voxel_volume_mm3 ** (1 / 3)
        with clock.stage("volumes"):
            measured = volumes.measure(reading.parts, spacing_mm**3, self._lines)
        with clock.stage("labels"):
            labels = label(reading.parts, reading.lattice, grid_of(image), self._pool.map)
        with clock.stage("thickness"):
            thick = thickness.measure(reading.parts, spacing_mm, self._thickness)
        return Measurement(
            quality=verdict,
            volumes_mm3=measured,
            thickness_mm=thick,
            labels=labels,
            seconds=clock.seconds,
            surfaces=solids(reading),
            brain=whole_brain(reading),
        )

    def locate(self, image: Image, clock: Clock | None = None) -> Located:
        """Find the head's frame without judging it."""
        network = self._networks["whole"]
        eye = Eye(
            network.shape,
            network.spacing_mm,
            network.centres_mm[0],
            network.classes,
            lambda box: network.read(box, 0),
        )
        with (clock or Clock()).stage("locate"):
            return locate(to_ras(image), eye, self._anatomy, self._pool.map)

    def read_inside(self, image: Image, located: Located, clock: Clock | None = None) -> Inside:
        """Run the deep and the temporal network without judging what they say."""
        clock = clock or Clock()
        with clock.stage("resample"):
            lattice = head.lattice(located.frame)
            voxels = head.read_lattice(to_ras(image), lattice, self._pool.map)
        with clock.stage("deep"):
            parts = self._both_sides("deep", voxels).parts()
        with clock.stage("temporal"):
            near = self._both_sides("temporal", voxels).parts()
            head.overrule(parts, _only(near, TEMPORAL))
        return Inside(located, lattice, voxels, parts)

    def read_whole(self, inside: Inside, clock: Clock | None = None) -> Reading:
        """Run the tissue network around what was read inside."""
        with (clock or Clock()).stage("tissue"):
            tissue = self._both_sides("tissue", inside.voxels)
            parts = tissue.parts()
            deep = _only(inside.parts, STRUCTURES)
            head.join(parts, deep, LOOSE)
        return Reading(
            inside.located, inside.lattice, inside.voxels, parts | deep, tissue.difference
        )

    def _both_sides(self, name: str, voxels: NDArray[np.float32]) -> Blend:
        network = self._networks[name]
        look = Look(network.shape, network.centres_mm, network.classes, network.sided)
        return head.both_sides(look, network.read, voxels, self._pool.map)


def _only(parts: dict[str, Part], names: tuple[str, ...]) -> dict[str, Part]:
    """Those structures, on whichever side."""
    return {
        key: part
        for key, part in parts.items()
        if key.removesuffix("_left").removesuffix("_right") in names
    }


def solids(reading: Reading) -> dict[str, tuple[NDArray[np.float32], Grid]]:
    """Return what surfaces are made of: every structure, and each hemisphere filled.

    The cortex is a sheet: its surface is that of everything it encloses; so is white matter's.
    """
    parts, lattice = reading.parts, reading.lattice
    out = {
        name: (part.probability, part.grid(lattice))
        for name, part in parts.items()
        if name not in ("outside", "csf", *LOOSE)
    }
    for side in ("left", "right"):
        enclosed = [name for name in parts if name.endswith(f"_{side}")]
        white = parts[f"white_{side}"]
        grid = white.grid(lattice)
        filled = head.added(parts, [n for n in enclosed if not n.startswith("cortex")], white.box)
        out[f"white_{side}"] = (filled, grid)
        out[f"cortex_{side}"] = (head.added(parts, enclosed, white.box), grid)
    return out


def whole_brain(reading: Reading) -> tuple[NDArray[np.float32], Grid]:
    """Probability of brain with its ventricles, without the fluid around it."""
    box = reading.parts["csf"].box
    inside = head.added(reading.parts, (*volumes.BRAIN, *volumes.VENTRICLES), box)
    return inside, reading.parts["csf"].grid(reading.lattice)


def inside_evidence(inside: Inside) -> dict[str, float]:
    """Return what speaks for or against a reading of the inside."""
    return quality.inside_evidence(inside.lattice, inside.voxels, inside.parts)


def whole_evidence(image: Image, reading: Reading) -> dict[str, float]:
    """Return what else speaks for or against a reading of the whole head."""
    return quality.whole_evidence(
        image, reading.located, reading.lattice, reading.parts, reading.look_difference
    )


def _refused(findings: quality.Findings, clock: Clock) -> Measurement:
    measured, thick = nothing("scan_refused")
    return Measurement(findings.verdict(), measured, thick, None, clock.seconds)
