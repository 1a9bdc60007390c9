# SPDX-License-Identifier: Apache-2.0
"""A synthetic person: two DICOM series 18 months apart, with a known change between them.

The head is the MNI152 template (ICBM 2009a symmetric, skull-stripped), as nilearn packages it.
It is an average of young adults, far smoother than anybody, and about 30 % too large. We scale
it, change it, put it into a slightly different pose each time and add a scanner's noise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from memoryguard.cli.deformation import (
    BOX_MAX_MM,
    BOX_MIN_MM,
    HIPPOCAMPUS_SEMI_AXES_MM,
    Deformation,
    ageing,
    box_points_mm,
    hippocampus_radius,
)
from memoryguard.cli.dicom_series import (
    CT_IMAGE_STORAGE,
    MR_IMAGE_STORAGE,
    age_string,
    uid,
    write_series,
)
from memoryguard.common.errors import Misconfigured

INTRACRANIAL_MM3 = 1_405_000
"""Mean of women: rounded middle of five published tables (FreeSurfer eTIV of the 1000 Functional
Connectomes, IXI and OASIS-1, SynthSeg TIV of IXI, DLMUSE of NiChart), which lie between 1,353,002
and 1,444,301 mm3."""

FLUID_BELOW = 110
"""Template intensity half-way between fluid (about 65) and grey matter (about 166)."""

BORN = date(1952, 3, 4)
SCANNED = (date(2024, 9, 10), date(2026, 3, 10))
SEX = "F"
STORED_PER_TEMPLATE_UNIT = 4.0
NOISE_TEMPLATE_UNITS = 4.5
"""Standard deviation in each of the two channels: white matter (223) has a signal-to-noise ratio
of about 50, as MPRAGE at 3 T."""

GRID_SHAPE = (160, 192, 208)
GRID_CORNER_RAS_MM = (79.5, 88.0, 99.0)
"""Sagittal slices of 1 mm from right to left; rows go down, columns go backwards."""

HEALTH = {"mmse": 26.0, "moca": 22.0, "education_years": 14.0, "apoe4_alleles": 1.0}
"""Invented, and labelled synthetic wherever it goes."""


@dataclass(frozen=True)
class SamplePerson:
    """What was written.

    Parameters
    ----------
    folder
        Holds ``sample.json`` and one folder for every scan.
    scans
        Folders of the series, earlier one first.
    document
        What ``sample.json`` says.
    """

    folder: Path
    scans: tuple[Path, Path]
    document: dict[str, Any]


@dataclass(frozen=True)
class Template:
    """The MNI152 T1 and what we know of it.

    Parameters
    ----------
    voxels
        float32, RAS+ at 1 mm, 0 outside the brain.
    corner_mm
        MNI coordinates of the first voxel.
    grey
        Probability of grey matter, same grid.
    """

    voxels: NDArray[np.float32]
    corner_mm: NDArray[np.float64]
    grey: NDArray[np.float32]

    @property
    def scale(self) -> float:
        """Millimetres of the person per millimetre of the template.

        Takes the brain mask (everything above 0, with the fluid in its furrows) for the
        intracranial space: the template has no skull to measure it by.
        """
        return float((INTRACRANIAL_MM3 / np.count_nonzero(self.voxels)) ** (1 / 3))

    def box(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the box out in which the deformation lives."""
        start = (np.array(BOX_MIN_MM) - self.corner_mm).astype(int)
        stop = (np.array(BOX_MAX_MM) - self.corner_mm).astype(int) + 1
        return volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]

    def ventricles(self) -> NDArray[np.bool_]:
        """Return both lateral ventricles on the box's grid: the two largest pools off the midline.

        At this threshold they hang together with nothing else.
        """
        box = self.box(self.voxels)
        x, y, z = box_points_mm()
        inside = (np.abs(x) < 45) & (y > -65) & (y < 45) & (z > -20) & (z < 40)
        labelled: Any = ndimage.label((box > 0) & (box < FLUID_BELOW) & inside)
        pools: NDArray[np.int32] = labelled[0]
        found = np.zeros(box.shape, bool)
        for side in (-1, 1):
            seed = (side * x > 5) & (side * x < 25) & (np.abs(y + 14) < 12) & (z > 5) & (z < 25)
            found |= pools == np.bincount(pools[seed & (pools > 0)]).argmax()
        return found

    def hippocampi(self) -> NDArray[np.bool_]:
        """Return grey matter within an ellipsoid around each hippocampus, on the box's grid."""
        points = box_points_mm()
        near = [hippocampus_radius(points, s, HIPPOCAMPUS_SEMI_AXES_MM) < 1 for s in (-1, 1)]
        return (near[0] | near[1]) & (self.box(self.grey) > 0.5)


def load_template() -> Template:
    """Read the template out of the nilearn package, without importing nilearn (2 s)."""
    import nibabel

    found = find_spec("nilearn")
    if found is None or not found.submodule_search_locations:
        raise Misconfigured("no_template", "nilearn is missing", "pip install memoryguard[cli]")
    folder = Path(found.submodule_search_locations[0]) / "datasets" / "data"

    def load(kind: str) -> Any:
        return nibabel.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")

    t1 = load("t1")
    voxels = np.asarray(t1.dataobj, np.float32)
    # Half of the file is air: keep the brain's box.
    index = np.argwhere(voxels > 0)
    start, stop = np.maximum(index.min(0) - 4, 0), index.max(0) + 5
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    corner_mm = np.asarray(t1.affine[:3, 3] + start, np.float64)
    grey = np.asarray(load("gm").dataobj, np.float32)[box] / np.float32(255)
    return Template(voxels[box], corner_mm, grey)


def make_sample(folder: Path, seed: int = 7) -> SamplePerson:
    """Write the person's two series and ``sample.json``.

    Parameters
    ----------
    folder
        Is made where it is missing; what is there is written over.
    seed
        Of the noise and of the head's pose. The same seed gives the same bytes.
    """
    template = load_template()
    ventricles = template.ventricles()
    change = ageing(ventricles)
    rng = np.random.default_rng(seed)
    names = ("baseline", "follow-up")
    for name, on, deformation in zip(names, SCANNED, (None, change), strict=True):
        voxels = _acquire(template, deformation, rng)
        write_series(folder / name, voxels, _grid(), _mr_tags(f"sample/{seed}/{name}", on))
    document = _describe(names, _truth(template, ventricles, change), seed)
    path = folder / "sample.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return SamplePerson(folder, (folder / names[0], folder / names[1]), document)


def make_noise(folder: Path, seed: int = 7) -> Path:
    """Write a valid MR series of nothing but a scanner's noise."""
    rng = np.random.default_rng(seed)
    voxels = rng.rayleigh(200, size=GRID_SHAPE).astype(np.uint16)
    write_series(folder, voxels, _grid(), _mr_tags(f"noise/{seed}", SCANNED[0]))
    return folder


def make_ct(folder: Path) -> Path:
    """Write a valid CT series: a ball of water with a shell of bone."""
    voxels = np.full((64, 96, 96), -1000, np.int16)
    index = np.indices(voxels.shape) - np.array([31.5, 47.5, 47.5])[:, None, None, None]
    radius = np.sqrt((index**2).sum(0))
    voxels[radius < 30] = 900
    voxels[radius < 27] = 20
    tags = _mr_tags("ct", SCANNED[0])
    for keyword in [k for k in tags if k in _MR_ONLY]:
        del tags[keyword]
    tags |= {
        "SOPClassUID": CT_IMAGE_STORAGE,
        "Modality": "CT",
        "SeriesDescription": "Head synthetic",
        "ProtocolName": "Head synthetic",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "KVP": 120,
    }
    affine = np.diag([-2.0, -2.0, 2.0, 1.0])[:, [2, 1, 0, 3]]
    affine[:3, 3] = (95, 95, -63)
    write_series(folder, voxels, affine, tags)
    return folder


def _grid() -> NDArray[np.float64]:
    """Return the series' ``ras_from_ijk``: i to the left, j down, k backwards."""
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = -1, -1, -1, 1
    affine[:3, 3] = GRID_CORNER_RAS_MM
    return affine


def _pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a head's position in the scanner: at most 2 degrees and 3 mm off, (4, 4)."""
    from scipy.spatial.transform import Rotation

    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-2, 2, 3), degrees=True).as_matrix()
    pose[:3, 3] = rng.uniform(-3, 3, 3)
    return pose


def _acquire(
    template: Template, deformation: Deformation | None, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return what the scanner stores: the head resampled once, with Rician noise."""
    size = np.diag([template.scale] * 3 + [1.0])
    mni_from_ijk = np.linalg.inv(_pose(rng) @ size) @ _grid()
    index = np.indices(GRID_SHAPE, dtype=np.float32).reshape(3, -1)
    points = mni_from_ijk[:3, :3].astype(np.float32) @ index
    points += mni_from_ijk[:3, 3:].astype(np.float32)
    at = points - template.corner_mm[:, None].astype(np.float32)
    limits = np.array(template.voxels.shape, np.float32)[:, None]
    inside = np.flatnonzero(((at > -1) & (at < limits)).all(0))
    # Walls move by a millimetre at most: further than 4 mm from the brain there is only air.
    brain = ndimage.maximum_filter(template.voxels[::2, ::2, ::2], 5)
    inside = inside[ndimage.map_coordinates(brain, at[:, inside] / 2, order=0) > 0]
    chosen = points[:, inside].astype(np.float64)
    if deformation is not None:
        chosen = deformation.pull_back(chosen)
    signal = np.zeros(index.shape[1], np.float32)
    signal[inside] = ndimage.map_coordinates(
        template.voxels, chosen - template.corner_mm[:, None], output=np.float32, order=3
    )
    noise = NOISE_TEMPLATE_UNITS * rng.standard_normal((2, signal.size), dtype=np.float32)
    magnitude = np.hypot(np.clip(signal, 0, None) + noise[0], noise[1])
    return np.rint(STORED_PER_TEMPLATE_UNIT * magnitude).astype(np.uint16).reshape(GRID_SHAPE)


def _truth(
    template: Template, ventricles: NDArray[np.bool_], change: Deformation
) -> dict[str, float | str]:
    """Return the true changes, integrated over the structures themselves."""
    points = box_points_mm()

    def percent(mask: NDArray[np.bool_]) -> float:
        return round(change.change_percent(points[:, mask].astype(np.float64)), 2)

    return {
        "hippocampus_total_percent": percent(template.hippocampi()),
        "lateral_ventricles_percent": percent(ventricles),
        "how": "The Jacobian determinant of the deformation, integrated over the structure. "
        "Hippocampi: grey matter within an ellipsoid at published MNI coordinates. "
        "Ventricles: the two pools of dark voxels beside the midline.",
    }


def _describe(names: tuple[str, str], truth: dict[str, float | str], seed: int) -> dict[str, Any]:
    scans = [
        {"folder": n, "study_date": on.isoformat(), "age_years": round(_age(on), 2)}
        for n, on in zip(names, SCANNED, strict=True)
    ]
    return {
        "what": "Two T1-weighted head scans of a person who does not exist.",
        "synthetic": True,
        "seed": seed,
        "sources": {
            "head": "MNI152 T1 (ICBM 2009a nonlinear symmetric), skull-stripped, from nilearn",
            "intracranial_mm3": INTRACRANIAL_MM3,
            "intracranial_is": "the template's brain mask, scaled to the mean of women",
        },
        "person": {"sex": SEX, "birth_date": BORN.isoformat()},
        "scans": scans,
        "interval_years": round((SCANNED[1] - SCANNED[0]).days / 365.25, 3),
        "health": {
            "recorded_on": SCANNED[1].isoformat(),
            "provenance": "synthetic",
            "metrics": HEALTH,
        },
        "truth": truth,
    }


def _age(on: date) -> float:
    return (on - BORN).days / 365.25


_MR_ONLY = {
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SK", "SP", "MP"],
    "ScanOptions": "IR",
    "MRAcquisitionType": "3D",
    "SequenceName": "synthetic_tfl3d",
    "RepetitionTime": 2300,
    "EchoTime": 3,
    "InversionTime": 900,
    "FlipAngle": 9,
    "EchoTrainLength": 1,
    "MagneticFieldStrength": 3,
    "ImagingFrequency": 123.2,
    "ImagedNucleus": "1H",
    "NumberOfAverages": 1,
}


def _mr_tags(name: str, on: date) -> dict[str, object]:
    """Return what all files of a series say; UIDs follow from its name."""
    day = on.strftime("%Y%m%d")
    return {
        "SOPClassUID": MR_IMAGE_STORAGE,
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NONE"],
        "PatientName": "Synthetic^Sample",
        "PatientID": "SYNTHETIC-0001",
        "PatientBirthDate": BORN.strftime("%Y%m%d"),
        "PatientSex": SEX,
        "PatientAge": age_string(BORN, on),
        "PatientComments": "Synthetic: this person does not exist.",
        "StudyInstanceUID": uid(name, "study"),
        "StudyDate": day,
        "StudyTime": "100000",
        "StudyID": "1",
        "StudyDescription": "Synthetic head",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Modality": "MR",
        "SeriesInstanceUID": uid(name, "series"),
        "SeriesNumber": 1,
        "SeriesDate": day,
        "SeriesTime": "100000",
        "AcquisitionDate": day,
        "AcquisitionTime": "100000",
        "ContentDate": day,
        "ContentTime": "100000",
        "SeriesDescription": "T1 MPRAGE sagittal synthetic",
        "ProtocolName": "T1 MPRAGE sagittal synthetic",
        "BodyPartExamined": "HEAD",
        "PatientPosition": "HFS",
        "Manufacturer": "MemoryGuard synthetic",
        "ManufacturerModelName": "MNI152",
        "SoftwareVersions": "1",
        "DeviceSerialNumber": "0",
        "InstitutionName": "",
        "FrameOfReferenceUID": uid(name, "frame of reference"),
        "PositionReferenceIndicator": "",
        "AcquisitionNumber": 1,
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "ImageComments": "Synthetic: made from the MNI152 template.",
        **_MR_ONLY,
    }
