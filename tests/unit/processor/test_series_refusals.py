# SPDX-License-Identifier: Apache-2.0
"""What the series reader refuses, and that damage never surfaces as anything else."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from series_samples import SHAPE, TAGS, change, oblique, packed, phantom, refusal

from memoryguard.cli.dicom_series import MR_IMAGE_STORAGE, write_series
from memoryguard.common.errors import Rejected
from memoryguard.processor.series import read_path, read_series


def test_nothing_is_empty_input(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "empty_input"
    assert refusal(tmp_path / "absent") == "empty_input"
    (tmp_path / "empty.dcm").touch()
    assert refusal(tmp_path / "empty.dcm") == "empty_input"
    with pytest.raises(Rejected, match="empty_input"):
        read_series(b"")


@pytest.mark.parametrize("content", [b"hello", bytes(200), b"\xff\xd8\xff" * 100])
def test_something_else_is_not_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "IM1.dcm"
    path.write_bytes(content)
    assert refusal(path) == "not_dicom"


def test_a_ct_is_an_unsupported_modality(series: Path) -> None:
    change(series, lambda _, dataset: setattr(dataset, "Modality", "CT"))
    assert refusal(series) == "unsupported_modality"


def test_a_missing_slice_is_an_incomplete_series(series: Path) -> None:
    middle = next(p for p in series.iterdir() if pydicom.dcmread(p).InstanceNumber == 9)
    middle.unlink()
    assert refusal(series) == "incomplete_series"


def test_a_handful_of_slices_is_an_incomplete_series(series: Path) -> None:
    for path in sorted(series.iterdir())[5:]:
        path.unlink()
    assert refusal(series) == "incomplete_series"


def test_two_images_at_one_place_are_several_volumes(series: Path) -> None:
    echo = {**TAGS, "SOPClassUID": MR_IMAGE_STORAGE}
    write_series(series / "echo", phantom(), oblique(), echo)
    change(series / "echo", lambda i, d: setattr(d, "SOPInstanceUID", f"2.25.77{i}"))
    assert refusal(series) == "several_volumes"


def test_slices_that_are_not_parallel_are_irregular(series: Path) -> None:
    def edit(index: int, dataset: Any) -> None:
        if index == 3:
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]

    change(series, edit)
    assert refusal(series) == "irregular_slices"


def test_pixels_of_two_sizes_are_irregular(series: Path) -> None:
    change(series, lambda i, d: setattr(d, "PixelSpacing", [1.0, 1.0 + i % 2]))
    assert refusal(series) == "irregular_slices"


def test_a_sheared_stack_is_irregular(series: Path) -> None:
    def edit(index: int, dataset: Any) -> None:
        along_row = np.array(dataset.ImageOrientationPatient[:3], float)
        place = np.array(dataset.ImagePositionPatient, float) + 0.1 * index * along_row
        dataset.ImagePositionPatient = [f"{v:.6f}" for v in place]

    change(series, edit)
    assert refusal(series) == "irregular_slices"


def test_slices_without_a_place_have_unknown_orientation(series: Path) -> None:
    change(series, lambda _, dataset: delattr(dataset, "ImagePositionPatient"))
    assert refusal(series) == "unknown_orientation"


def test_colour_is_refused(series: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"

    change(series, edit)
    assert refusal(series) == "colour_image"


def test_no_pixels_are_no_image(series: Path) -> None:
    change(series, lambda _, dataset: delattr(dataset, "PixelData"))
    assert refusal(series) == "not_an_image"


def test_a_huge_volume_is_refused_before_it_is_decoded(series: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.Rows, dataset.Columns = 60000, 60000

    change(series, edit)
    assert refusal(series) == "too_large"


@pytest.mark.parametrize("kept", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_file_is_refused(series: Path, kept: float) -> None:
    victim = sorted(series.iterdir())[4]
    content = victim.read_bytes()
    victim.write_bytes(content[: int(kept * len(content))])
    assert refusal(series) in {
        "truncated_file", "not_an_image", "incomplete_series", "several_series"
    }  # fmt: skip


def test_a_truncated_zip_is_refused(series: Path, tmp_path: Path) -> None:
    content = packed(series)
    for size in (40, len(content) // 2, len(content) - 30):
        with pytest.raises(Rejected):
            read_series(content[:size])
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: len(content) // 2])
    assert refusal(path) == "not_dicom"


def test_any_damage_is_a_coded_refusal_or_an_image(series: Path) -> None:
    """Random bytes changed anywhere never surface as another exception."""
    rng = random.Random(5)
    paths = sorted(series.iterdir())
    for _ in range(150):
        path = rng.choice(paths)
        content = path.read_bytes()
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 3, 30))):
            damaged[rng.randrange(132, min(1500, len(content)))] = rng.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(Rejected):
            read_path(series)
        path.write_bytes(content)


def test_any_damage_to_a_zip_is_a_coded_refusal_or_an_image(series: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in series.iterdir():
            archive.write(path, path.name)
    content, rng = target.getvalue(), random.Random(6)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 5, 50))):
            damaged[rng.randrange(len(content))] = rng.randrange(256)
        with contextlib.suppress(Rejected):
            read_series(bytes(damaged))


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_truncated_nifti_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"cut.{ending}"
    nibabel.save(nibabel.Nifti1Image(phantom(), oblique()), path)
    content = path.read_bytes()
    for kept in (0.9, 0.5, 0.01):
        path.write_bytes(content[: int(kept * len(content))])
        assert refusal(path) in {"truncated_file", "not_an_image"}


def test_a_nifti_without_orientation_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(phantom(), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "a.nii")
    assert refusal(tmp_path / "a.nii") == "unknown_orientation"


def test_only_one_volume_is_taken_from_a_nifti(tmp_path: Path) -> None:
    one, two = phantom()[..., None], np.stack([phantom()] * 2, axis=-1)
    nibabel.save(nibabel.Nifti1Image(one, oblique()), tmp_path / "one.nii")
    nibabel.save(nibabel.Nifti1Image(two, oblique()), tmp_path / "two.nii")
    assert read_path(tmp_path / "one.nii").voxels.shape == SHAPE
    assert refusal(tmp_path / "two.nii") == "several_volumes"


def test_not_a_number_is_not_an_image(tmp_path: Path) -> None:
    voxels = phantom().astype(np.float32)
    voxels[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(voxels, oblique()), tmp_path / "nan.nii")
    assert refusal(tmp_path / "nan.nii") == "not_an_image"


def test_a_scaling_beyond_all_numbers_is_refused(series: Path) -> None:
    change(series, lambda _, d: setattr(d, "RescaleSlope", "1e300"))
    change(series, lambda _, d: setattr(d, "RescaleIntercept", "0"))
    assert refusal(series) == "not_an_image"
