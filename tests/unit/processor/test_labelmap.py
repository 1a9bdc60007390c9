# SPDX-License-Identifier: Apache-2.0
"""Label maps and stripped images survive the way into a NIfTI and back."""

from __future__ import annotations

import nibabel
import numpy as np

from memoryguard.processor.labelmap import from_nifti, stripped_to_nifti, to_nifti


def test_labels_and_grid_come_back() -> None:
    labels = np.random.default_rng(1).integers(0, 2035, (7, 9, 11)).astype(np.int16)
    affine = np.array([[-1.0, 0.1, 0, 30], [0, 0.2, -1.1, 20], [0.1, 1.3, 0, -12], [0, 0, 0, 1]])
    content = to_nifti(labels, affine)
    back, ras_from_ijk = from_nifti(content)
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, labels)
    np.testing.assert_allclose(ras_from_ijk, affine, atol=1e-5)


def test_the_same_labels_give_the_same_bytes() -> None:
    labels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    assert to_nifti(labels, np.eye(4)) == to_nifti(np.asfortranarray(labels), np.eye(4))
    assert to_nifti(labels, np.eye(4))[4:8] == bytes(4)  # RFC 1952: no time of making


def test_other_programs_read_it_as_labels_with_an_orientation(tmp_path) -> None:
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(to_nifti(np.zeros((3, 4, 5), np.int16), np.diag([-1.0, 1.0, 1.0, 1.0])))
    image = nibabel.load(path)
    assert nibabel.aff2axcodes(image.affine) == ("L", "A", "S")
    assert int(image.header["sform_code"]) > 0
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_intent()[0] == "label"


def test_a_stripped_image_comes_back_as_whole_numbers() -> None:
    voxels = np.zeros((20, 21, 22), np.float32)
    voxels[5:15, 5:15, 5:15] = np.linspace(-3.0, 70.0, 1000, dtype=np.float32).reshape(10, 10, 10)
    voxels[10, 10, 10] = 5000.0
    affine = np.diag([-1.0, 1.1, 1.2, 1.0])
    back, ras_from_ijk = from_nifti(stripped_to_nifti(voxels, affine))
    assert back.dtype == np.int16
    assert (back.min(), back.max(), back[10, 10, 10]) == (0, 1000, 1000)
    assert not back[voxels <= 0].any()
    usual = (voxels > 1) & (voxels < 69)
    white = np.percentile(voxels[voxels != 0], 99.9)
    np.testing.assert_allclose(back[usual], voxels[usual] / white * 1000, atol=0.51)
    np.testing.assert_allclose(ras_from_ijk, affine, atol=1e-5)


def test_the_same_stripped_image_gives_the_same_bytes() -> None:
    voxels = np.random.default_rng(5).uniform(0, 9, (6, 7, 8)).astype(np.float32)
    content = stripped_to_nifti(voxels, np.eye(4))
    assert content == stripped_to_nifti(np.asfortranarray(voxels), np.eye(4))
    assert content == stripped_to_nifti(voxels * 4, np.eye(4))  # intensities have no unit
    assert content[4:8] == bytes(4)


def test_nothing_to_show_is_nothing() -> None:
    back, _ = from_nifti(stripped_to_nifti(np.zeros((3, 4, 5), np.float32), np.eye(4)))
    assert not back.any()


def test_a_stripped_image_is_no_label_map(tmp_path) -> None:
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(stripped_to_nifti(np.ones((3, 4, 5), np.float32), np.eye(4)))
    assert nibabel.load(path).header.get_intent()[0] == "none"
