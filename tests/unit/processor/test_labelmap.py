# SPDX-License-Identifier: Apache-2.0
"""Label maps survive the way into a NIfTI and back."""

from __future__ import annotations

import nibabel
import numpy as np

from memoryguard.processor.labelmap import from_nifti, to_nifti


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
