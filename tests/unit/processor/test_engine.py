# SPDX-License-Identifier: Apache-2.0
"""The engine with its shipped weights: a real template, a drawn head, and what is no head."""

from __future__ import annotations

import importlib.resources
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from heads import Recipe, draw, read_map
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.common.errors import Misconfigured
from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.measurement import Measurement
from memoryguard.processor.engine import Engine
from memoryguard.processor.networks import WEIGHTS

TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
TO_ADULT = 0.78 ** (1 / 3)
"""The template is larger than people are; this brings it to about 1.4 litres."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=2)


@pytest.fixture(scope="module")
def template() -> Image:
    """MNI152 T1 (skull-stripped average) out of the nilearn wheel, scaled."""
    path = importlib.resources.files("nilearn.datasets.data") / TEMPLATE
    with importlib.resources.as_file(path) as file:
        stored: Any = nibabel.load(file)
        voxels = np.asarray(stored.dataobj, np.float32)
        affine = np.asarray(stored.affine, np.float64)
    return Image(voxels, np.diag([TO_ADULT, TO_ADULT, TO_ADULT, 1.0]) @ affine)


@pytest.fixture(scope="module")
def measured(engine: Engine, template: Image) -> Measurement:
    return engine.measure(template)


def value(measurement: Measurement, name: str) -> float:
    found = measurement.volumes_mm3[name].value
    assert found is not None, name
    return found


def test_every_key_has_a_value_or_a_reason(measured: Measurement) -> None:
    assert set(measured.volumes_mm3) == set(VOLUMES)
    assert set(measured.thickness_mm) == set(THICKNESS)
    for entry in (*measured.volumes_mm3.values(), *measured.thickness_mm.values()):
        assert (entry.value is None) is (entry.reason is not None)


def test_the_template_is_measured(measured: Measurement) -> None:
    """Limits are those of healthy adults with room to spare; the template averages them.

    It is stripped, and as blurred as an average is: overlapping looks may disagree over that.
    """
    assert measured.quality.verdict == "warned"
    codes = {reason.code for reason in measured.quality.reasons}
    assert {"skull_stripped"} <= codes <= {"skull_stripped", "looks_disagree"}
    assert 3000 < value(measured, "hippocampus_left") < 5200
    assert 3000 < value(measured, "hippocampus_right") < 5200
    total = value(measured, "hippocampus_left") + value(measured, "hippocampus_right")
    assert value(measured, "hippocampus_total") == pytest.approx(total, rel=1e-6)
    assert 1_250_000 < value(measured, "intracranial") < 1_600_000
    assert 4_000 < value(measured, "lateral_ventricles") < 25_000


def test_labels_lie_on_the_input_grid_and_on_the_right_side(
    template: Image, measured: Measurement
) -> None:
    assert measured.labels is not None
    assert measured.labels.dtype == np.int16
    assert measured.labels.shape == template.voxels.shape
    volume = template.voxel_volume_mm3
    for number, sign in ((17, -1), (53, 1)):
        at = np.argwhere(measured.labels == number)
        assert 2500 < len(at) * volume < 5500
        x = (template.ras_from_ijk[:3, :3] @ at.mean(0) + template.ras_from_ijk[:3, 3])[0]
        assert 15 < sign * x < 35


def test_the_same_input_gives_the_same_answer(
    engine: Engine, template: Image, measured: Measurement
) -> None:
    again = engine.measure(template)
    assert again.volumes_mm3 == measured.volumes_mm3
    np.testing.assert_array_equal(again.labels, measured.labels)


def test_storage_order_does_not_matter(
    engine: Engine, template: Image, measured: Measurement
) -> None:
    """Axes permuted and flipped (a sagittal series, say): same volumes, same labels."""
    voxels = np.ascontiguousarray(template.voxels.transpose(1, 2, 0)[::-1, ::-1])
    matrix = template.ras_from_ijk.copy()
    matrix[:3, :3] = matrix[:3, [1, 2, 0]]
    for axis in (0, 1):
        matrix[:3, 3] += matrix[:3, axis] * (voxels.shape[axis] - 1)
        matrix[:3, axis] *= -1
    turned = engine.measure(Image(voxels, matrix))
    assert turned.labels is not None
    assert measured.labels is not None
    for name in ("hippocampus_left", "hippocampus_right", "intracranial", "lateral_ventricles"):
        assert value(turned, name) == pytest.approx(value(measured, name), rel=0.005)
    back = turned.labels[::-1, ::-1].transpose(2, 0, 1)
    assert float((back == measured.labels).mean()) > 0.995


def test_a_drawn_head_with_known_truth(engine: Engine, shared_data: Path) -> None:
    """A held-back label map (no network saw it), painted as a T1: truth by counting."""
    head, truth = draw(read_map("09", shared_data / "labelmaps"), Recipe(seed=11))
    result = engine.measure(head)
    assert result.quality.verdict != "refused", result.quality
    for name, share in (
        ("hippocampus_left", 0.08),
        ("hippocampus_right", 0.08),
        ("thalamus_left", 0.08),
        ("cerebral_white_matter", 0.05),
        ("total_brain", 0.04),
        ("intracranial", 0.04),
    ):
        assert value(result, name) == pytest.approx(truth[name], rel=share), name


def _nonsense(name: str) -> NDArray[np.float32]:
    rng = np.random.default_rng(12)
    shape = (136, 160, 136)
    noise = rng.normal(0, 1, shape).astype(np.float32)
    i, j, k = np.indices(shape, np.float32) - np.array(shape)[:, None, None, None] / 2
    if name == "noise":
        return np.abs(noise) * 100
    if name == "smooth noise":
        return ndimage.gaussian_filter(noise, 5) * 1000 + 200
    if name == "ball":
        return (np.where(i**2 + j**2 + k**2 < 65**2, 100.0, 0.0) + noise).astype(np.float32)
    if name == "box":
        inside = (abs(i) < 55) & (abs(j) < 65) & (abs(k) < 55)
        return (np.where(inside, 90.0, 0.0) + noise).astype(np.float32)
    return np.full(shape, 5.0, np.float32)


@pytest.mark.parametrize("name", ["noise", "smooth noise", "ball", "box", "constant"])
def test_what_is_no_head_is_refused(engine: Engine, name: str) -> None:
    result = engine.measure(Image(_nonsense(name), np.eye(4)))
    assert result.quality.verdict == "refused"
    assert result.labels is None
    assert all(m.value is None and m.reason == "scan_refused" for m in result.volumes_mm3.values())


def test_altered_and_missing_weights_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    path = folder / "anatomy.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(Misconfigured, match="weights_altered"):
        Engine(folder)
    path.unlink()
    with pytest.raises(Misconfigured, match="weights_missing"):
        Engine(folder)
    with pytest.raises(Misconfigured, match="weights_missing"):
        Engine(tmp_path)


def test_the_manifest_describes_the_engine(engine: Engine) -> None:
    manifest = json.loads((WEIGHTS / "manifest.json").read_text())
    assert engine.version == manifest["version"]
    assert len(engine.weights_sha256) == 64
    assert sum((WEIGHTS / n).stat().st_size for n in manifest["files"]) < 20_000_000
