# SPDX-License-Identifier: Apache-2.0
"""A label map as a DICOM Segmentation, read again by pydicom and judged by dciodvfy."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import warnings
import zipfile
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from ingest_samples import SIDE, SLICES, enhanced_dataset, file_of, series_files, taken
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts

from memoryguard.common.contracts.parts import Engine
from memoryguard.common.errors import Rejected
from memoryguard.processor.document import RESEARCH, Document
from memoryguard.processor.domain.codes import STRUCTURES
from memoryguard.processor.domain.labelling import split_side
from memoryguard.processor.domain.labels import NAMES
from memoryguard.processor.labelmap import to_nifti
from memoryguard.processor.segmentation import segmentation
from memoryguard.processor.series import read_series

ENGINE = Engine(name="headframe", version="1.2.3", weights_sha256="ab" * 32)
CID_7140 = 7140
FEW = (17, 53, 16)


def upside_down(ds: Dataset) -> None:
    """The first file is the uppermost slice."""
    x, y, z = ds.ImagePositionPatient
    ds.ImagePositionPatient = [x, y, -z]


def bare(ds: Dataset) -> None:
    """Nothing is said that can be left out."""
    ds.SliceThickness = None
    for name in ("FrameOfReferenceUID", "StudyDate", "SeriesDate", "AcquisitionDate", "StudyTime"):
        delattr(ds, name)
    for name in ("PatientSex", "PatientBirthDate", "Manufacturer", "ManufacturerModelName"):
        delattr(ds, name)


def enhanced_upside_down(ds: Dataset) -> None:
    """The first frame is the uppermost slice."""
    for frame in ds.PerFrameFunctionalGroupsSequence:
        upside_down(frame.PlanePositionSequence[0])


def _enhanced(change: Any = None) -> list[bytes]:
    ds = enhanced_dataset()
    if change is not None:
        change(ds)
    return [file_of(ds)]


SERIES = {
    "slices": lambda: [content for _, content in series_files()],
    "slices from the top": lambda: [content for _, content in series_files(upside_down)],
    "bare slices": lambda: [content for _, content in series_files(bare)],
    "frames": _enhanced,
    "frames from the top": lambda: _enhanced(enhanced_upside_down),
}


def label_map(*numbers: int) -> NDArray[np.int16]:
    """Every structure somewhere, or those named, and no plane like another."""
    labels = np.zeros((SLICES, SIDE, SIDE), np.int16)
    rng = np.random.default_rng(5)
    inside = rng.choice([0, *(numbers or NAMES)], (SLICES - 6, SIDE - 8, SIDE - 9))
    labels[3:-3, 4:-4, 4:-5] = inside
    return labels


def drawn(
    archive: bytes, labels: NDArray[np.int16], scan_id: str = "scan-1", engine: Engine = ENGINE
) -> Document:
    """The Segmentation of labels on the grid that the scan is measured on."""
    packed = to_nifti(labels, read_series(archive).ras_from_ijk)
    made = segmentation(archive, packed, scan_id, engine)
    assert made is not None
    return made


@pytest.fixture(params=SERIES)
def archive(request: pytest.FixtureRequest) -> bytes:
    """A series as our intake stores it."""
    return taken(SERIES[request.param]()).archive


@pytest.fixture(scope="module")
def whole() -> tuple[bytes, Document]:
    """One series, and its Segmentation."""
    archive = taken(SERIES["slices"]()).archive
    return archive, drawn(archive, label_map())


def test_the_voxels_are_those_of_the_label_map(archive: bytes) -> None:
    labels = label_map(*FEW)
    made = pydicom.dcmread(io.BytesIO(drawn(archive, labels).content))
    assert np.array_equal(read_again(made, archive), labels)


def test_every_structure_is_a_segment(whole: tuple[bytes, Document]) -> None:
    archive, segmented = whole
    made = pydicom.dcmread(io.BytesIO(segmented.content))
    assert {item.SegmentLabel for item in made.SegmentSequence} == set(NAMES.values())
    assert np.array_equal(read_again(made, archive), label_map())


def read_again(made: Dataset, archive: bytes) -> NDArray[np.int16]:
    """The label map that a Segmentation shows, put together by where its frames lie."""
    image = read_series(archive)
    numbers = {
        item.SegmentNumber: int(item.SegmentDescription.removeprefix("FreeSurfer label "))
        for item in made.SegmentSequence
    }
    found = np.zeros(image.voxels.shape, np.int16)
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, made.pixel_array, strict=True):
        lps = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        ijk = np.linalg.inv(image.ras_from_ijk) @ [-lps[0], -lps[1], lps[2], 1]
        assert np.abs(ijk[1:3]).max() < 1e-3
        number = numbers[frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        plane = found[round(float(ijk[0]))]
        assert not plane[pixels > 0].any(), "two structures in one voxel"
        plane[pixels > 0] = number
    return found


def test_frames_name_the_slices_they_lie_on(whole: tuple[bytes, Document]) -> None:
    archive, segmented = whole
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        sources = [pydicom.dcmread(io.BytesIO(packed.read(name))) for name in packed.namelist()]
    places = {s.SOPInstanceUID: [float(x) for x in s.ImagePositionPatient] for s in sources}
    made = pydicom.dcmread(io.BytesIO(segmented.content))
    for frame in made.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert places[source.ReferencedSOPInstanceUID] == pytest.approx(list(map(float, place)))
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientIdentityRemoved"):
        assert made[name] == sources[0][name]
    assert made.SeriesInstanceUID != sources[0].SeriesInstanceUID


def test_it_says_what_it_is_and_what_it_is_not(whole: tuple[bytes, Document]) -> None:
    made = pydicom.dcmread(io.BytesIO(whole[1].content))
    assert made.ContentDescription == RESEARCH and RESEARCH in made.SeriesDescription
    assert made.SegmentationType == "BINARY"
    by_label = {item.SegmentLabel: item for item in made.SegmentSequence}
    left = by_label["hippocampus_left"]
    (kind,) = left.SegmentedPropertyTypeCodeSequence
    (side,) = kind.SegmentedPropertyTypeModifierCodeSequence
    (region,) = left.AnatomicRegionSequence
    assert (kind.CodeValue, side.CodeValue, region.CodeValue) == ("5366008", "7771000", "12738006")
    (algorithm,) = left.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (ENGINE.name, ENGINE.version)
    middle = by_label["brainstem"].SegmentedPropertyTypeCodeSequence[0]
    assert "SegmentedPropertyTypeModifierCodeSequence" not in middle


def test_the_same_scan_and_weights_give_the_same_bytes(whole: tuple[bytes, Document]) -> None:
    archive, first = whole
    assert drawn(archive, label_map()) == first
    uids = {first.found_by[name] for name in ("instance_uid", "series_uid")}
    for scan_id, weights in (("scan-2", "ab"), ("scan-1", "cd")):
        engine = ENGINE.model_copy(update={"weights_sha256": weights * 32})
        other = drawn(archive, label_map(), scan_id, engine)
        assert uids.isdisjoint(other.found_by.values())
        assert other.found_by["study_uid"] == first.found_by["study_uid"]


def test_the_header_is_the_file_without_its_pixels(whole: tuple[bytes, Document]) -> None:
    _, segmented = whole
    made = pydicom.dcmread(io.BytesIO(segmented.content))
    header = json.loads(segmented.header)
    assert header == json.loads(json.dumps(_without_pixels(made), default=str))
    said = {
        "00080016": "sop_class_uid", "0020000D": "study_uid", "0020000E": "series_uid",
        "00080018": "instance_uid", "00100040": "sex", "00200011": "series_number",
        "0008103E": "series_description", "00280010": "rows", "00280011": "columns",
        "00280008": "frames", "00280100": "bits_allocated",
        "00080060": "modality", "00200013": "instance_number",
    }  # fmt: skip
    found = {name: header[tag]["Value"][0] for tag, name in said.items()}
    found["study_date"] = date.fromisoformat(header["00080020"]["Value"][0])
    assert segmented.found_by == found


def _without_pixels(made: Dataset) -> dict[str, Any]:
    return {tag: value for tag, value in made.to_json_dict().items() if tag != "7FE00010"}


def test_nothing_labelled_makes_nothing(whole: tuple[bytes, Document]) -> None:
    labels = np.zeros((SLICES, SIDE, SIDE), np.int16)
    assert segmentation(whole[0], to_nifti(labels, np.eye(4)), "scan-1", ENGINE) is None


def test_labels_of_another_grid_are_refused(whole: tuple[bytes, Document]) -> None:
    labels = np.full((SLICES, SIDE, SIDE + 1), 17, np.int16)
    with pytest.raises(Rejected, match="other_grid"):
        segmentation(whole[0], to_nifti(labels, np.eye(4)), "scan-1", ENGINE)


def test_every_structure_is_coded_as_the_standard_codes_it() -> None:
    known: dict[tuple[str, str], set[int]] = defaultdict(set)
    for scheme in ("SCT", "DCM"):
        for entry in concepts[scheme].values():
            for value, (_, contexts) in entry.items():
                known[scheme, value] |= set(contexts)
    assert {split_side(name)[0] for name in NAMES.values()} == set(STRUCTURES)
    for code in STRUCTURES.values():
        assert (code.scheme, code.value) in known, code
    assert len({code.value for code in STRUCTURES.values()}) == len(STRUCTURES)
    for name in ("hippocampus", "thalamus", "accumbens", "ventral"):
        code = STRUCTURES[name]
        assert CID_7140 in known[code.scheme, code.value], name


def test_somebody_elses_validator_finds_no_error(archive: bytes, tmp_path: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        why = "THE SEGMENTATION IS NOT VALIDATED HERE: dciodvfy is missing (Debian: dicom3tools)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    path = tmp_path / "segmentation.dcm"
    path.write_bytes(drawn(archive, label_map(*FEW)).content)
    assert errors(tool, path) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = pydicom.dcmread(path)
        del broken.ContentLabel
        broken.save_as(path)
    assert errors(tool, path) != [], "the validator says nothing about anything"


def errors(tool: str, path: Path) -> list[str]:
    """What the validator calls an error; it says at least which kind of object it saw."""
    said = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert "Segmentation" in lines
    return [line for line in lines if line.startswith("Error")]
