# SPDX-License-Identifier: Apache-2.0
"""A series that is read in a limited process is the same one; what is hostile ends there."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from series_samples import SHAPE, change, packed

from memoryguard.common.errors import Rejected
from memoryguard.processor.domain.image import Image
from memoryguard.processor.reading import Reader, believed
from memoryguard.processor.series import image_of, read_series


@pytest.fixture(scope="module")
def reader() -> Generator[Reader]:
    found = Reader()
    found.start()
    yield found
    found.close()


def jpeg_2000(dataset: Any) -> bytes:
    stream = io.BytesIO()
    picture = Picture.fromarray(dataset.pixel_array)
    picture.save(stream, format="JPEG2000", irreversible=False, no_jp2=True)
    return stream.getvalue()


def as_jpeg_2000(dataset: Any, code: bytes) -> None:
    dataset.PixelData = encapsulate([code])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless


def scaled(index: int, dataset: Any) -> None:
    dataset.RescaleSlope, dataset.RescaleIntercept = 1.37 + index / 7, -3.3


def looked_up(index: int, dataset: Any) -> None:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.ModalityLUTType = "US"
    table.add_new(0x00283006, "OW", struct.pack("<4096H", *(n * 3 % 4096 for n in range(4096))))
    if index % 2:
        dataset.ModalityLUTSequence = Sequence([table])


def mixed(index: int, dataset: Any) -> None:
    dataset.PixelRepresentation = index % 2


KINDS: dict[str, Callable[[int, Any], object]] = {
    "plain": lambda _, d: None,
    "scaled": scaled,
    "looked up": looked_up,
    "signed and not": mixed,
    "white is low": lambda _, d: setattr(d, "PhotometricInterpretation", "MONOCHROME1"),
    "RLE": lambda _, d: d.compress(pydicom.uid.RLELossless),
    "JPEG-LS": lambda _, d: d.compress(pydicom.uid.JPEGLSLossless),
    "JPEG 2000": lambda _, d: as_jpeg_2000(d, jpeg_2000(d)),
}


def same(ours: Image, theirs: Image) -> None:
    assert ours.voxels.dtype == theirs.voxels.dtype == np.float32
    np.testing.assert_array_equal(ours.voxels, theirs.voxels)
    np.testing.assert_array_equal(ours.ras_from_ijk, theirs.ras_from_ijk)


@pytest.mark.parametrize("edit", KINDS.values(), ids=KINDS)
def test_every_kind_of_series_is_the_same(
    reader: Reader, series: Path, edit: Callable[[int, Any], object]
) -> None:
    change(series, edit)
    archive = packed(series)
    image = reader.read(archive)
    assert image.voxels.shape == SHAPE
    same(image, read_series(archive))


def test_a_multi_frame_series_has_the_voxels_and_places_of_highdicom(
    reader: Reader, series: Path, tmp_path: Path
) -> None:
    import highdicom
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    change(series, scaled)
    single = [pydicom.dcmread(p) for p in series.iterdir()]
    random.Random(2).shuffle(single)
    folder = tmp_path / "enhanced"
    folder.mkdir()
    enhanced = LegacyConvertedEnhancedMRImage(single, "2.25.10", 1, "2.25.11", 1)
    enhanced.save_as(folder / "one.dcm")
    image = reader.read(packed(folder))
    same(image, read_series(packed(folder)))
    theirs = highdicom.imread(folder / "one.dcm").get_volume(dtype=np.float32, atol=0.05)
    index = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ theirs.affine) @ image.ras_from_ijk
    ijk = np.indices(image.voxels.shape).reshape(3, -1)
    at = index[:3, :3] @ ijk + index[:3, 3:]
    np.testing.assert_allclose(at, at.round(), atol=1e-3)
    i, j, k = at.round().astype(int)
    np.testing.assert_allclose(image.voxels.ravel(), theirs.array[i, j, k], rtol=1e-5)


def code_of(reader: Reader, archive: bytes) -> str:
    with pytest.raises(Rejected) as error:
        reader.read(archive)
    return error.value.code


def test_refusals_are_the_same(reader: Reader, series: Path) -> None:
    whole = packed(series)
    for broken in (b"", b"hello", whole[:-100], whole[: len(whole) // 2]):
        with pytest.raises(Rejected) as error:
            read_series(broken)
        assert code_of(reader, broken) == error.value.code
    change(series, lambda i, d: setattr(d, "RescaleSlope", "1") if i else None)
    for path in list(series.iterdir())[5:]:
        path.unlink()
    assert code_of(reader, packed(series)) == "incomplete_series"


def damaged(code: bytes, at: int, new: bytes) -> bytes:
    return code[:at] + new + code[at + len(new) :]


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("a picture of 4 G x 4 G", lambda code: damaged(code, 8, b"\xff" * 8)),
        ("a picture of 30,000 x 30,000", lambda code: damaged(code, 8, b"\0\0\x75\x30" * 2)),
        ("16,384 components", lambda code: damaged(code, 40, b"\x40\0")),
        ("tiles of one pixel", lambda code: damaged(code, 24, b"\0\0\0\1" * 2)),
        ("noise instead of samples", lambda code: code[:200] + bytes(range(256)) * 20),
        ("no samples", lambda code: code[:60]),
        ("no codestream", lambda code: bytes(64)),
    ],
)
def test_hostile_codestreams_end_in_a_code(
    reader: Reader, series: Path, name: str, edit: Callable[[bytes], bytes]
) -> None:
    change(series, lambda _, d: as_jpeg_2000(d, edit(jpeg_2000(d))))
    try:
        image = reader.read(packed(series))
    except Rejected as error:
        codes = {"not_an_image", "unsupported_compression", "parser_failed", "too_large"}
        assert error.code in codes, name
    else:  # some decoders make the best of noise
        assert name in ("noise instead of samples", "tiles of one pixel")
        assert image.voxels.shape == SHAPE


def test_a_run_length_bomb_is_refused_before_it_is_decoded(reader: Reader, series: Path) -> None:
    def edit(_: int, dataset: Any) -> None:
        dataset.Rows = dataset.Columns = 65535
        dataset.PixelData = encapsulate([bytes(64)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless

    change(series, edit)
    assert code_of(reader, packed(series)) == "too_large"


def test_damaged_archives_end_in_the_same_code_as_without_a_process(
    reader: Reader, series: Path
) -> None:
    whole = packed(series)
    rng = random.Random(4)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        outcomes: list[Any] = []
        for read in (reader.read, read_series):
            try:
                outcomes.append(read(bytes(data)).voxels.tobytes())
            except Rejected as error:
                outcomes.append(error.code)
        assert outcomes[0] == outcomes[1]


TRUE: dict[str, Any] = {
    **{"shape": [2, 1, 3], "numbers": "<u2", "order": [1, 0], "lps_from_ijk": np.eye(4).tolist()},
    "scaling": [[None, 0.0, False], [2.0, -1.0, True]],
}


def test_what_a_parser_says_is_believed_if_it_fits_together() -> None:
    stored = believed(TRUE, [struct.pack("<6H", *range(6))])
    np.testing.assert_array_equal(image_of(stored).voxels, [[[-5, -7, -9]], [[0, 1, 2]]])


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": [2, 1, 4]},
        {"shape": [2, 3]},
        {"shape": [1 << 40, 1 << 40, 1 << 40]},
        {"shape": [-2, -1, 3]},
        {"shape": ["2", 1, 3]},
        {"numbers": "O"},
        {"numbers": "<f8"},
        {"numbers": None},
        {"order": [0, 0]},
        {"order": [0, 5]},
        {"order": [1e999, 0]},
        {"order": [0]},
        {"scaling": [[1, 0, False]]},
        {"scaling": [[1, 0], [1, 0]]},
        {"lps_from_ijk": [1, 2, 3]},
        {"lps_from_ijk": "four"},
    ],
    ids=str,
)
def test_nonsense_is_not(lie: dict[str, Any]) -> None:
    blob = struct.pack("<6H", *range(6))
    for document, blobs in ((TRUE | lie, [blob]), (TRUE, [blob, blob]), (TRUE, []), ({}, [blob])):
        with pytest.raises(Rejected, match="parser_failed"):
            believed(document, blobs)
