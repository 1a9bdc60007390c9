# SPDX-License-Identifier: Apache-2.0
"""The voxels of a DICOM series as its files store them, and where they lie.

This is the part of reading that native decoders do, so it may happen in a process of its own
(`reading`). It holds no more than the files and the stored voxels at once. The files are somebody
else's, so every call into a parser is fenced; the codes of refusals are listed in `series`.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zipfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryguard.common.errors import Rejected

MAX_VOXELS = 512**3
MAX_FILES = 4096
MAX_ARCHIVE_BYTES = 2 * 2**30
"""Of the unpacked files; 512 cubed voxels of 16 bits are 256 MiB."""

MIN_SLICES = 16
SPACING_TOLERANCE_MM = 0.05
ORIENTATION_TOLERANCE = 1e-3

_T1_NAMES = re.compile(r"t1|mp-?rage|bravo|fspgr|spgr|tfl|tfe", re.IGNORECASE)
_DIRECTORY = "1.2.840.10008.1.3.10"  # Media Storage Directory: a DICOMDIR lists, it shows nothing
_ENHANCED = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR
    }
)


@dataclass(frozen=True, slots=True)
class Stored:
    """The voxels of a series as its files store them.

    Parameters
    ----------
    planes
        Slices in the order of the files, axes (slice, row, column), any number type.
    order
        Which plane is the first along the slices' normal, the second, …
    scaling
        Of each plane: slope, intercept (None: values are what they say), and whether white is low.
    lps_from_ijk
        float64 (4, 4), of the ordered planes.
    """

    planes: NDArray[Any]
    order: list[int]
    scaling: list[Scaling]
    lps_from_ijk: NDArray[np.float64]


Scaling = tuple[float | None, float, bool]


def stored_series(archives: list[bytes]) -> Stored:
    """Read the stored voxels of the one zip in a list; it is taken out, and freed on the way.

    Raises
    ------
    Rejected
        When it is not one regular volume of an MR scanner.
    """
    archive = archives.pop()
    if not archive:
        raise Rejected("empty_input", "There is nothing in it.")
    members = _zip_members(io.BytesIO(archive))
    del archive
    return stored_files(members)


def _zip_members(stream: io.BytesIO) -> Iterator[bytes]:
    """Unpack, within limits on what comes out."""
    try:
        with zipfile.ZipFile(stream) as packed:
            members = [m for m in packed.infolist() if not m.is_dir()]
            if sum(m.file_size for m in members) > MAX_ARCHIVE_BYTES:
                raise Rejected("too_large", "The archive unpacks to more than 2 GiB.")
            for left, member in zip(reversed(range(len(members))), members, strict=True):
                content = packed.read(member)
                if not left:
                    stream.close()  # the archive is not needed beside the last file
                yield content
    except (Rejected, MemoryError):
        raise
    except Exception as error:
        raise Rejected("truncated_file", "The zip cannot be unpacked.") from error


def stored_files(files: Iterable[bytes]) -> Stored:
    """Read the stored voxels of one series among files.

    Raises
    ------
    Rejected
        When it is not one regular volume of an MR scanner.
    """
    parsed: list[Any | None] = []
    for content in files:
        if len(parsed) == MAX_FILES:
            raise Rejected("too_large", "There are more than 4096 files.")
        parsed.append(parse(content))
    if not parsed:
        raise Rejected("empty_input", "There is nothing in it.")
    instances = [instance for instance in parsed if instance is not None]
    if not instances:
        raise Rejected("not_dicom", "No file in it is DICOM.", "Send DICOM files, or a zip.")
    with fence():
        series = _choose(instances)
        _check_pixels(series)
        del instances, parsed
        return _decode(series)


def placed(instances: list[Any]) -> tuple[list[Any], list[int], NDArray[np.float64]]:
    """Find out where the planes of the one series among data sets lie; no pixel is needed.

    Returns
    -------
    list
        The series.
    list of int
        Which of its planes is the first along the slices' normal, the second, …
    ndarray
        float64 (4, 4): lps_from_ijk of the ordered planes.

    Raises
    ------
    Rejected
        When they are not one regular volume.
    """
    series = _choose(instances)
    order, lps_from_ijk = _placed([frame[:3] for frame in _planes(series)])
    return series, order, lps_from_ijk


@contextmanager
def fence() -> Generator[None]:
    """Turn whatever a parser says about a broken file into a refusal; keep its warnings quiet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Rejected, MemoryError, ImportError):
        raise
    except Exception as error:
        raise Rejected("not_an_image", "The image in it cannot be read.") from error


def parse(content: bytes, *, pixels: bool = True) -> Any | None:
    """Return the data set, or None for what is not DICOM or only lists other files."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if content[128:132] != b"DICM":
        return None
    with fence():
        try:
            with io.BytesIO(content) as stream:  # closed: pydicom keeps it, and what is in it
                instance = dcmread(stream, stop_before_pixels=not pixels)
        except InvalidDicomError:
            return None
        except (EOFError, OSError) as error:
            raise Rejected("truncated_file", "A file ends too early.") from error
        listing = instance.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY
        return None if listing else instance


def _choose(instances: list[Any]) -> list[Any]:
    """Return the one series to measure, each instance once."""
    groups: dict[str, dict[str, Any]] = {}
    for instance in instances:
        if _text(instance, "Modality") != "MR":
            continue
        series = groups.setdefault(_text(instance, "SeriesInstanceUID"), {})
        series[_text(instance, "SOPInstanceUID")] = instance
    if not groups:
        raise Rejected(
            "unsupported_modality", "This is not an MR scan.", "Send a T1-weighted MR series."
        )
    series = [list(group.values()) for group in groups.values()]
    if len(series) > 1:
        series = [s for s in series if _looks_t1(s)]
    if len(series) != 1:
        raise Rejected(
            "several_series",
            "There are several series in it, and not exactly one is called T1-weighted.",
            "Send the T1-weighted series alone.",
        )
    return series[0]


def _looks_t1(series: list[Any]) -> bool:
    """Tell by the names that a scanner's protocol gives, and by the number of slices."""
    first = series[0]
    frames = len(series) * int(first.get("NumberOfFrames") or 1)
    names = f"{_text(first, 'SeriesDescription')} {_text(first, 'ProtocolName')}"
    return frames >= MIN_SLICES and bool(_T1_NAMES.search(names))


def _text(instance: Any, keyword: str) -> str:
    return str(instance.get(keyword) or "").strip()


def _check_pixels(series: list[Any]) -> None:
    """Refuse before anything is decoded: what is no picture, in colour, too large or cut off."""
    first = series[0]
    if any("PixelData" not in i for i in series):
        raise Rejected("not_an_image", "A file in it holds no image, or ends before it.")
    if any(int(i.SamplesPerPixel) != 1 for i in series):
        raise Rejected("colour_image", "The images are in colour.", "Send the original series.")
    shapes = {(int(i.Rows), int(i.Columns)) for i in series}
    if len(shapes) > 1:
        raise Rejected("irregular_slices", "The slices differ in size.")
    frames = len(series) * int(first.get("NumberOfFrames") or 1)
    rows, columns = shapes.pop()
    check_size((frames, rows, columns))
    if frames < MIN_SLICES:
        raise Rejected("incomplete_series", "There are fewer than 16 slices.")
    for instance in series:
        if instance.file_meta.TransferSyntaxUID.is_encapsulated:
            continue
        size = rows * columns * int(instance.get("NumberOfFrames") or 1)
        if len(instance.PixelData) < size * int(instance.BitsAllocated) // 8:
            raise Rejected("truncated_file", "A file ends before its last pixel.")


def _enhanced(series: list[Any]) -> bool:
    return _text(series[0], "SOPClassUID") in _ENHANCED


def _planes(series: list[Any]) -> list[tuple[Any, Any, Any, Any]]:
    """Return of every plane what says its position, orientation, measures and scaling."""
    if not _enhanced(series):
        if int(series[0].get("NumberOfFrames") or 1) > 1:
            raise Rejected("not_an_image", "This multi-frame object is not an MR volume.")
        return [(i, i, i, i) for i in series]
    if len(series) > 1:
        raise Rejected("several_volumes", "There are several multi-frame files in the series.")
    return _frames(series[0])


def _decode(series: list[Any]) -> Stored:
    enhanced, frames = _enhanced(series), _planes(series)
    order, lps_from_ijk = _placed([frame[:3] for frame in frames])
    scaling = [_scaling(frame[3], series[0 if enhanced else n]) for n, frame in enumerate(frames)]
    if not all(
        math.isfinite(n) for slope, intercept, _ in scaling for n in (slope or 0, intercept)
    ):
        raise Rejected("not_an_image", "Some voxels are not numbers.")
    if not np.isfinite(lps_from_ijk).all():
        raise degenerate()
    planes = _pixels(series[0])[0] if enhanced else _stacked(series)
    return Stored(planes, order, scaling, lps_from_ijk)


def _stacked(series: list[Any]) -> NDArray[Any]:
    """Decode one slice after the other; each is freed."""
    first, tabled = _pixels(series[0])
    kinds = {(int(i.BitsAllocated), int(i.PixelRepresentation)) for i in series}
    # Slices of several kinds, or looked up in tables, are rare: numbers that hold them all.
    mixed = tabled or len(kinds) > 1 or any("ModalityLUTSequence" in i for i in series)
    planes = np.empty((len(series), *first.shape), np.float32 if mixed else first.dtype)
    planes[0] = first
    for number, instance in enumerate(series[1:], 1):
        planes[number], _ = _pixels(instance)
    return planes


def _pixels(instance: Any) -> tuple[NDArray[Any], bool]:
    """Decode and free the pixels of one instance; tell whether they were looked up in a table.

    highdicom does the same, but spends most of a scan's reading on checking each slice against
    its information object definition.
    """
    from pydicom.pixels.processing import apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    try:
        values = pixel_array(instance)
    except (NotImplementedError, RuntimeError) as error:
        raise _compression() from error
    del instance.PixelData
    if instance.get("ModalityLUTSequence"):
        return apply_modality_lut(values, instance), True
    return values, False


def _scaling(transformation: Any, instance: Any) -> Scaling:
    shape = _text(instance, "PresentationLUTShape")
    white_is_low = _text(instance, "PhotometricInterpretation") == "MONOCHROME1"
    low = shape == "INVERSE" or (white_is_low and not shape)
    tabled = bool(instance.get("ModalityLUTSequence"))
    if tabled or "RescaleSlope" not in transformation or "RescaleIntercept" not in transformation:
        return None, 0.0, low
    return float(transformation.RescaleSlope), float(transformation.RescaleIntercept), low


def _frames(instance: Any) -> list[tuple[Any, Any, Any, Any]]:
    """Return position, orientation, measures and scaling of every frame (PS3.3 C.7.6.16)."""
    groups = (
        *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
        "PixelValueTransformationSequence",
    )
    (shared,) = instance.get("SharedFunctionalGroupsSequence") or [{}]
    found: list[tuple[Any, Any, Any, Any]] = []
    for frame in instance.PerFrameFunctionalGroupsSequence:
        own = [(frame.get(name) or shared.get(name) or [instance])[0] for name in groups]
        found.append((own[0], own[1], own[2], own[3]))
    if len(found) != int(instance.get("NumberOfFrames") or 1):
        raise Rejected("irregular_slices", "The frames do not make one even volume.")
    return found


def _compression() -> Rejected:
    return Rejected(
        "unsupported_compression", "The pixels are compressed in a way we do not read.",
        "Send it uncompressed, or as JPEG 2000, JPEG-LS or RLE.",
    )  # fmt: skip


def _placed(
    frames: list[tuple[Any, Any, Any]],
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the order of slices by their places and lps_from_ijk (slice, row, column).

    Of each slice what says its position, orientation and spacing is given. Says what is wrong with
    their places, where something is. The distance along the slices' normal and the place of a
    pixel: PS3.3 C.7.6.2.1.1.
    """
    if any(
        "ImagePositionPatient" not in p or "ImageOrientationPatient" not in o for p, o, _ in frames
    ):
        raise Rejected("unknown_orientation", "The slices do not say where they lie.")
    cosines = np.array([o.ImageOrientationPatient for _, o, _ in frames], np.float64)
    spacings = np.array([m.PixelSpacing for _, _, m in frames], np.float64)
    if np.ptp(cosines, axis=0).max() > ORIENTATION_TOLERANCE:
        raise Rejected("irregular_slices", "The slices are not parallel: a localizer?")
    if np.ptp(spacings, axis=0).max() > ORIENTATION_TOLERANCE:
        raise Rejected("irregular_slices", "The slices differ in the size of their pixels.")
    along_row, along_column = cosines[0, :3], cosines[0, 3:]
    normal = np.cross(along_row, along_column)
    places = np.array([p.ImagePositionPatient for p, _, _ in frames], np.float64)
    order = np.argsort(places @ normal, kind="stable")
    _check_steps(np.diff((places @ normal)[order]))
    first, last = places[order[0]], places[order[-1]]
    step = (last - first) / (len(frames) - 1)
    if step @ normal < (1 - ORIENTATION_TOLERANCE) * np.linalg.norm(step):
        raise Rejected("irregular_slices", "The slices are not stacked at right angles.")
    between_rows, between_columns = spacings[0]
    columns = (step, along_column * between_rows, along_row * between_columns, first)
    lps_from_ijk = np.eye(4)
    lps_from_ijk[:3] = np.transpose(columns)
    return [int(n) for n in order], lps_from_ijk


def _check_steps(steps_mm: NDArray[np.float64]) -> None:
    usual = float(np.median(steps_mm))
    if steps_mm.min() < SPACING_TOLERANCE_MM:
        raise Rejected("several_volumes", "Several slices lie at the same place.")
    if steps_mm.max() > 1.5 * usual:
        raise Rejected("incomplete_series", "Slices are missing.", "Send the whole series.")
    if np.abs(steps_mm - usual).max() > SPACING_TOLERANCE_MM:
        raise Rejected("irregular_slices", "The slices are not evenly spaced.")


def check_size(shape: tuple[int, ...]) -> None:
    """Refuse a volume of more voxels than are measured."""
    if int(np.prod(shape, dtype=np.int64)) > MAX_VOXELS:
        raise Rejected("too_large", "The volume has more than 512 x 512 x 512 voxels.")


def degenerate() -> Rejected:
    """Say that the axes make no volume."""
    return Rejected("unknown_orientation", "The volume's axes are degenerate.")
