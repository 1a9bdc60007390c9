# SPDX-License-Identifier: Apache-2.0
"""The synthetic person: proper DICOM, a known change, and the truth about it."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from memoryguard.cli.deformation import Deformation, ageing, box_points_mm, hippocampus_radius
from memoryguard.cli.header import Header, read_header
from memoryguard.cli.sample import (
    INTRACRANIAL_MM3,
    SamplePerson,
    Template,
    load_template,
    make_ct,
    make_noise,
    make_sample,
)
from memoryguard.common.errors import Rejected
from memoryguard.processor.series import read_path


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> SamplePerson:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="module")
def change(template: Template) -> Deformation:
    return ageing(template.ventricles())


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(path.read_bytes())
    return total.hexdigest()


def directly_percent(change: Deformation, mask: np.ndarray) -> float:
    """The change of a region, by looking up a fine grid of later points in the earlier mask.

    The points are jittered: walls move by less than the grid's step.
    """
    rng = np.random.default_rng(4)
    index = np.argwhere(mask)
    low = index.min(0) + change.corner_mm - 3
    high = index.max(0) + change.corner_mm + 3
    axes = [np.arange(a, b, 1 / 3) for a, b in zip(low, high, strict=True)]
    found = 0
    for x in axes[0]:
        plane = np.stack(np.meshgrid([x], axes[1], axes[2], indexing="ij")).reshape(3, -1)
        plane += rng.uniform(-1 / 6, 1 / 6, plane.shape)
        earlier = change.pull_back(plane) - change.corner_mm[:, None]
        found += ndimage.map_coordinates(mask.astype(np.uint8), earlier, order=0).sum()
    return 100 * (found / 27 / np.count_nonzero(mask) - 1)


def test_the_integrated_truth_agrees_with_resampled_masks(
    template: Template, change: Deformation
) -> None:
    points = box_points_mm().astype(np.float64)
    for mask in (template.hippocampi(), template.ventricles()):
        assert change.change_percent(points[:, mask]) == pytest.approx(
            directly_percent(change, mask), abs=0.3
        )


def test_the_truth_does_not_hang_on_where_the_border_is_drawn(change: Deformation) -> None:
    points = box_points_mm()
    for axes in ((6.0, 15.0, 5.0), (10.0, 22.0, 9.0)):
        inside = hippocampus_radius(points, -1, axes) < 1
        percent = change.change_percent(points[:, inside].astype(np.float64))
        assert percent == pytest.approx(-6.0, abs=0.2)


def test_the_deformation_can_be_undone(change: Deformation) -> None:
    points = np.random.default_rng(2).uniform(-50, 50, (3, 500))
    there = change.push_forward(points)
    np.testing.assert_allclose(change.pull_back(there), points, atol=1e-5)
    assert np.abs(there - points).max() > 0.2
    assert change.jacobian_of_pull_back.min() > 0.5


def test_nothing_moves_at_the_edge_of_the_box(change: Deformation) -> None:
    field = change.displacement_mm
    edges = [np.abs(np.take(field, at, axis)).max() for axis in (1, 2, 3) for at in (0, -1)]
    assert max(edges) < 1e-3


def test_the_truth_is_what_was_meant(person: SamplePerson) -> None:
    truth = person.document["truth"]
    assert -6.5 < truth["hippocampus_total_percent"] < -5.5
    assert 10 < truth["lateral_ventricles_percent"] < 14


def test_the_head_has_the_published_size(person: SamplePerson) -> None:
    for folder in person.scans:
        image = read_path(folder)
        head = ndimage.binary_opening(image.voxels > 140)
        assert head.sum() == pytest.approx(INTRACRANIAL_MM3, rel=0.03)


def test_the_ventricles_darken_in_the_later_scan(person: SamplePerson) -> None:
    """The known change is in the pixels, too: more fluid in the middle of the head."""
    dark: list[int] = []
    for folder in person.scans:
        image = read_path(folder)
        smooth = ndimage.gaussian_filter(image.voxels, 0.7)
        places = np.argwhere((smooth > 140) & (smooth < 440))
        world = places @ image.ras_from_ijk[:3, :3].T + image.ras_from_ijk[:3, 3]
        near = (np.abs(world - np.array([0, -12, 10])) < np.array([34, 50, 20])).all(1)
        dark.append(int(near.sum()))
    assert dark[1] > 1.02 * dark[0]


def test_sample_json_says_that_it_is_synthetic(person: SamplePerson) -> None:
    document = json.loads((person.folder / "sample.json").read_text())
    assert document == person.document
    assert document["synthetic"] is True
    assert document["health"]["provenance"] == "synthetic"
    assert set(document["health"]["metrics"]) <= {
        "mmse", "moca", "education_years", "apoe4_alleles"
    }  # fmt: skip
    first, second = (date.fromisoformat(s["study_date"]) for s in document["scans"])
    assert (second.year - first.year) * 12 + second.month - first.month == 18


def test_every_instance_is_complete_and_of_one_series(person: SamplePerson) -> None:
    for folder in person.scans:
        files = [pydicom.dcmread(p, stop_before_pixels=True) for p in folder.iterdir()]
        assert len(files) == 160
        assert len({f.SOPInstanceUID for f in files}) == 160
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            values = {getattr(f, keyword) for f in files}
            assert len(values) == 1
            assert values.pop().startswith("2.25.")
        assert {f.Modality for f in files} == {"MR"}
        assert {str(f.PatientName) for f in files} == {"Synthetic^Sample"}


def test_the_header_gives_age_sex_and_scanner(person: SamplePerson, tmp_path: Path) -> None:
    assert read_header(person.scans[0]) == Header(72.52, "F", "MemoryGuard synthetic", 3.0)
    (tmp_path / "a.nii").write_bytes(bytes(400))
    assert read_header(tmp_path) == read_header(tmp_path / "a.nii") == Header()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(person: SamplePerson, tmp_path: Path) -> None:
    again = make_sample(tmp_path / "again")
    assert digest(again.folder) == digest(person.folder)


def test_noise_is_a_valid_series_and_a_ct_is_no_mr(tmp_path: Path) -> None:
    assert read_path(make_noise(tmp_path / "noise")).voxels.shape == (160, 192, 208)
    with pytest.raises(Rejected, match="unsupported_modality"):
        read_path(make_ct(tmp_path / "ct"))
    dataset = pydicom.dcmread(tmp_path / "ct" / "IM0032.dcm")
    assert dataset.Modality == "CT"
    assert "MagneticFieldStrength" not in dataset
    assert dataset.pixel_array.min() == -1000
