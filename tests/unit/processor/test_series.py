# SPDX-License-Identifier: Apache-2.0
"""Geometry round trips and refusals of the series reader."""

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
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from memoryguard.cli.dicom_series import MR_IMAGE_STORAGE, write_series
from memoryguard.common.errors import Rejected
from memoryguard.processor.series import read_path, read_series

SHAPE = (20, 24, 28)
MARKER = (7, 5, 11)
TAGS = {
    "SOPClassUID": MR_IMAGE_STORAGE,
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "PatientName": "Phantom^",
    "PatientID": "P",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyInstanceUID": "2.25.1",
    "StudyDate": "20260101",
    "StudyTime": "100000",
    "StudyID": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "Modality": "MR",
    "SeriesInstanceUID": "2.25.2",
    "SeriesNumber": 1,
    "SeriesDescription": "T1 phantom",
    "FrameOfReferenceUID": "2.25.3",
    "PositionReferenceIndicator": "",
    "Manufacturer": "M",
    "ManufacturerModelName": "M",
    "SoftwareVersions": "1",
    "DeviceSerialNumber": "1",
    "AcquisitionNumber": 1,
    "ScanningSequence": "GR",
    "SequenceVariant": "SP",
    "ScanOptions": "",
    "MRAcquisitionType": "3D",
    "EchoTime": 3,
    "EchoTrainLength": 1,
    "RepetitionTime": 2300,
    "PatientPosition": "HFS",
}


def oblique() -> NDArray[np.float64]:
    """An affine with no axis along the patient's, and three different spacings."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", (17, -23, 31), degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag([1.4, 0.9, 1.1])
    affine[:3, 3] = (-31.7, 12.3, 55.1)
    return affine


def phantom() -> NDArray[np.uint16]:
    voxels = np.random.default_rng(3).integers(0, 500, SHAPE).astype(np.uint16)
    voxels[MARKER] = 2000
    return voxels


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """An oblique series under names in no order, some without an ending."""
    folder = tmp_path / "series"
    write_series(folder, phantom(), oblique(), TAGS)
    names = random.Random(1).sample(range(1000), SHAPE[0])
    for path, name in zip(sorted(folder.iterdir()), names, strict=True):
        path.rename(folder / (f"{name}" if name % 2 else f"x{name}.dcm"))
    return folder


def world(ras_from_ijk: NDArray[np.float64], ijk: Any) -> NDArray[np.float64]:
    return (ras_from_ijk @ np.append(np.asarray(ijk, float), 1.0))[:3]


def packed(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"a/{path.name}")
    return target.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(Rejected) as caught:
        read_path(path)
    return caught.value.code


def change(folder: Path, edit: Any) -> None:
    """Rewrite every file of a series after an edit(index, dataset)."""
    for index, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        edit(index, dataset)
        dataset.save_as(path)


# --- geometry ------------------------------------------------------------------------------


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


# --- refusals ------------------------------------------------------------------------------


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
