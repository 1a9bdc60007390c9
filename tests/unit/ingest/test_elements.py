# SPDX-License-Identifier: Apache-2.0
"""The walk through a file agrees with pydicom on all files that pydicom's own tests use."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pydicom
import pytest

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.deidentify import Pseudonym, deidentify
from memoryguard.ingest.domain.elements import read_file
from memoryguard.ingest.domain.inspect import inspect
from memoryguard.ingest.domain.values import numbers

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix == ".dcm")

BROKEN = {
    *("meta_missing_tsyntax.dcm", "no_meta.dcm", "rtstruct.dcm", "ExplVR_BigEndNoMeta.dcm"),
    *("ExplVR_LitEndNoMeta.dcm", "rtplan_truncated.dcm", "MR_truncated.dcm"),
}
"""Cut off, or without what a file must begin with: the only ones that may be refused as damaged."""


def test_there_are_files() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_reads_what_pydicom_reads(path: Path) -> None:
    try:
        ours = read_file(path.read_bytes())
    except Rejected as error:
        assert error.code == "unsupported_transfer_syntax" or path.name in BROKEN
        return
    assert path.name not in BROKEN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.dcmread(path)
        assert set(ours.dataset) == {int(tag) for tag in theirs.keys()}  # noqa: SIM118
        assert ours.transfer_syntax == theirs.file_meta.TransferSyntaxUID
        for tag, element in ours.dataset.items():
            if element.items:
                inner = [set(map(int, item.keys())) for item in theirs[tag].value]
                assert [set(item) for item in element.items] == inner
    for keyword in ("Rows", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"):
        tag = int(pydicom.datadict.tag_for_keyword(keyword) or 0)
        if tag in ours.dataset and theirs[tag].value not in (None, ""):
            value = theirs[tag].value
            expected = [value] if isinstance(value, int) else list(value)
            assert list(numbers(ours.dataset, tag) or ()) == expected


def texts(ds: pydicom.Dataset) -> set[str]:
    """All texts of five letters or more, at any depth."""
    found: set[str] = set()
    for element in ds.iterall():
        if element.VR in ("LO", "SH", "PN", "LT", "ST", "UI", "DA", "TM", "AE", "UT", "DT"):
            values = element.value if element.VM > 1 else [element.value]
            found |= {str(value) for value in values if len(str(value)) >= 5}
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_implicit.dcm"),
        *("MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    ],
)
def test_a_real_image_keeps_its_pixels_and_none_of_its_texts(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    pseudonym = Pseudonym("a" * 32, 100, lambda uid: f"2.25.{len(uid)}")
    clean = deidentify(inspect(data), pseudonym, series="T1", age_years=70.0, number=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = (pydicom.dcmread(io.BytesIO(content)) for content in (data, clean))
        # what may stay: the kind of object, and our word for the maker
        lost = texts(before) - {str(before.SOPClassUID)}
        assert (before.pixel_array == after.pixel_array).all()
    assert len(lost) > 10
    after.PixelData = b""
    said = "|".join(str(element.value) for element in after.iterall())
    assert [text for text in lost if text in said] == []
