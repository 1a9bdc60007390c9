# SPDX-License-Identifier: Apache-2.0
"""Geometry of the series reader: every voxel keeps its place and value."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from series_samples import MARKER, SHAPE, TAGS, change, oblique, packed, phantom, refusal, world

from memoryguard.cli.dicom_series import write_series
from memoryguard.processor.series import read_path, read_series


def test_a_marker_keeps_its_place_in_the_world(series: Path) -> None:
    image = read_path(series)
    found = np.unravel_index(image.voxels.argmax(), image.voxels.shape)
    assert image.voxels.dtype == np.float32
    np.testing.assert_allclose(
        world(image.ras_from_ijk, found), world(oblique(), MARKER), atol=1e-3
    )


def test_the_place_is_the_one_the_standard_defines(series: Path) -> None:
    """PS3.3 C.7.6.2.1.1, applied by hand to the one file that holds the marker."""
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        if dataset.pixel_array.max() == 2000:
            break
    row, column = np.unravel_index(dataset.pixel_array.argmax(), dataset.pixel_array.shape)
    cosines = np.array(dataset.ImageOrientationPatient, float)
    between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
    lps = (
        np.array(dataset.ImagePositionPatient, float)
        + cosines[:3] * between_columns * column
        + cosines[3:] * between_rows * row
    )
    image = read_path(series)
    found = np.unravel_index(image.voxels.argmax(), image.voxels.shape)
    np.testing.assert_allclose(
        world(image.ras_from_ijk, found), lps * np.array([-1, -1, 1]), atol=1e-3
    )


def test_nifti_and_dicom_of_one_volume_agree(series: Path, tmp_path: Path) -> None:
    path = tmp_path / "same.nii.gz"
    nibabel.save(nibabel.Nifti1Image(phantom(), oblique()), path)
    ours, theirs = read_path(series), read_path(path)
    places = np.indices(ours.voxels.shape).reshape(3, -1)
    points = ours.ras_from_ijk[:3, :3] @ places + ours.ras_from_ijk[:3, 3:]
    back = np.linalg.inv(theirs.ras_from_ijk)
    index = back[:3, :3] @ points + back[:3, 3:]
    np.testing.assert_allclose(index, index.round(), atol=1e-3)
    i, j, k = index.round().astype(int)
    np.testing.assert_array_equal(theirs.voxels[i, j, k], ours.voxels.ravel())


def test_voxels_and_places_are_those_of_highdicom(series: Path) -> None:
    from highdicom import get_volume_from_series

    def edit(index: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1.5 + index, -3

    change(series, edit)
    theirs = get_volume_from_series([pydicom.dcmread(p) for p in series.iterdir()])
    ours = read_path(series)
    index_of_theirs = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ theirs.affine) @ ours.ras_from_ijk
    ijk = np.indices(ours.voxels.shape).reshape(3, -1)
    at = index_of_theirs[:3, :3] @ ijk + index_of_theirs[:3, 3:]
    np.testing.assert_allclose(at, at.round(), atol=1e-3)
    i, j, k = at.round().astype(int)
    np.testing.assert_allclose(ours.voxels.ravel(), theirs.array[i, j, k], rtol=1e-6)


def test_where_white_is_low_values_are_turned_round(series: Path) -> None:
    before = read_path(series).voxels
    change(series, lambda _, d: setattr(d, "PhotometricInterpretation", "MONOCHROME1"))
    np.testing.assert_array_equal(read_path(series).voxels, -before)
    change(series, lambda _, d: setattr(d, "PresentationLUTShape", "IDENTITY"))
    np.testing.assert_array_equal(read_path(series).voxels, before)


def test_a_zip_says_what_its_folder_says(series: Path) -> None:
    folder, archive = read_path(series), read_series(packed(series))
    np.testing.assert_array_equal(folder.voxels, archive.voxels)
    np.testing.assert_array_equal(folder.ras_from_ijk, archive.ras_from_ijk)


def test_rescaling_is_applied(series: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 2.5, -10

    before = read_path(series).voxels
    change(series, edit)
    np.testing.assert_allclose(read_path(series).voxels, 2.5 * before - 10, rtol=1e-6)


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless"])
def test_compressed_pixels_are_read(series: Path, syntax: str) -> None:
    before = read_path(series).voxels
    change(series, lambda _, dataset: dataset.compress(getattr(pydicom.uid, syntax)))
    np.testing.assert_array_equal(read_path(series).voxels, before)


def test_jpeg_2000_is_read(series: Path) -> None:
    from PIL import Image as Picture

    def edit(_: int, dataset: Any) -> None:
        stream = io.BytesIO()
        picture = Picture.fromarray(dataset.pixel_array)
        picture.save(stream, format="JPEG2000", irreversible=False, no_jp2=True)
        dataset.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless

    before = read_path(series).voxels
    change(series, edit)
    np.testing.assert_array_equal(read_path(series).voxels, before)


def test_a_codec_we_have_not_is_named(series: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.PixelData = pydicom.encaps.encapsulate([bytes(64)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1

    change(series, edit)
    assert refusal(series) == "unsupported_compression"


def test_a_multi_frame_file_is_read(series: Path, tmp_path: Path) -> None:
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    single = [pydicom.dcmread(p) for p in series.iterdir()]
    path = tmp_path / "enhanced.dcm"
    LegacyConvertedEnhancedMRImage(single, "2.25.10", 1, "2.25.11", 1).save_as(path)
    image = read_path(path)
    found = np.unravel_index(image.voxels.argmax(), image.voxels.shape)
    np.testing.assert_allclose(
        world(image.ras_from_ijk, found), world(oblique(), MARKER), atol=1e-3
    )
    np.testing.assert_array_equal(np.sort(image.voxels.ravel()), np.sort(phantom().ravel()))


def test_files_that_only_accompany_a_series_are_passed_over(series: Path) -> None:
    (series / "README.txt").write_text("notes")
    (series / "copy.dcm").write_bytes(next(iter(series.iterdir())).read_bytes())
    assert read_path(series).voxels.shape == SHAPE


def test_the_t1_is_chosen_by_its_name(series: Path) -> None:
    other = {**TAGS, "SeriesInstanceUID": "2.25.99", "SeriesDescription": "FLAIR"}
    write_series(series / "other", phantom() // 2, np.eye(4), other)
    assert read_path(series).voxels.max() == 2000
    write_series(series / "third", phantom(), np.eye(4), {**TAGS, "SeriesInstanceUID": "2.25.98"})
    assert refusal(series) == "several_series"
