# SPDX-License-Identifier: Apache-2.0
"""Real heads through the whole measuring code, without a server.

Colin27 comes with Debian's package mricron-data; the other scans lie beside the checkout where they
are present. They are measured here and never shipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from memoryguard.cli.analyze import analyze
from memoryguard.processor.engine import Engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Wider than any adult: this asks for a measurement of the right kind, not for its accuracy, which
# docs/BENCHMARKS.md tells. FreeSurfer's hippocampi of healthy adults lie between 5 and 11 mL.
HIPPOCAMPI_MM3 = (4_500.0, 11_500.0)
INTRACRANIAL_MM3 = (1_000_000.0, 2_100_000.0)
STEREOTAXIC = 0.78
"""Volumes in MNI space times this are a person's; its heads are larger than people are."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def colin27() -> Path:
    """A raw whole head, out of Debian's package."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "memoryguard-tests"
    if not (found := sorted(cache.glob("**/ch2.nii.gz"))):
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            pytest.skip("no apt-get here: Colin27 is not measured")
        cache.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["apt-get", "download", "mricron-data"], cwd=cache, capture_output=True, check=False
        )
        packages = sorted(cache.glob("mricron-data*.deb"))
        if fetched.returncode or not packages:
            pytest.skip("Debian's package mricron-data cannot be fetched: Colin27 is not measured")
        subprocess.run(["dpkg", "-x", packages[-1], cache], check=True)
        found = sorted(cache.glob("**/ch2.nii.gz"))
    return found[0]


def check(document: dict[str, Any], status: int, stretched: float = 1.0) -> None:
    assert status == 0, document["quality"]
    volumes = document["volumes_mm3"]
    assert HIPPOCAMPI_MM3[0] < stretched * volumes["hippocampus_total"] < HIPPOCAMPI_MM3[1]
    assert INTRACRANIAL_MM3[0] < stretched * volumes["intracranial"] < INTRACRANIAL_MM3[1]
    assert volumes["hippocampus_total"] == pytest.approx(
        volumes["hippocampus_left"] + volumes["hippocampus_right"]
    )
    assert document["atrophy"]["regions"]["hippocampus_total"]["z"] is not None
    for part in ("volumes_mm3", "thickness_mm"):
        for name, value in document[part].items():
            assert (value is None) == (name in document["reasons"][part])


def test_colin27(engine: Engine, colin27: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.nii.gz"
    document, status = analyze(colin27, 30, "M", labels, engine=engine)
    check(document, status, STEREOTAXIC)
    drawn, scan = nibabel.load(labels), nibabel.load(colin27)
    assert drawn.shape == scan.shape
    np.testing.assert_allclose(drawn.affine, scan.affine, atol=1e-3)
    numbers = np.asarray(drawn.dataobj)
    soft = document["volumes_mm3"]["hippocampus_left"]
    hard = np.count_nonzero(numbers == 17) * abs(np.linalg.det(drawn.affine[:3, :3]))
    assert hard == pytest.approx(soft, rel=0.25)  # FreeSurfer's number of the left hippocampus


@pytest.mark.parametrize("name", ["chris_t1.nii.gz", "fs-sub-01.T1.mgz"])
def test_a_real_scan(engine: Engine, shared_data: Path, name: str) -> None:
    document, status = analyze(shared_data / "t1" / name, 40, "M", engine=engine)
    check(document, status)
