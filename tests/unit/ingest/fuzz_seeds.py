# SPDX-License-Identifier: Apache-2.0
"""Valid files of every kind and encoding that is taken; what the fuzzer damages."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from ingest_samples import ITEM, SLICES, enhanced_dataset, file_of, slice_dataset
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.pixels.encoders import JPEGLSLosslessEncoder, RLELosslessEncoder
from pydicom.sequence import Sequence

IMPLICIT, EXPLICIT, RLE, JPEG_LS, JPEG_2000 = (
    f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".5", ".4.80", ".4.90")
)


@dataclass(frozen=True)
class Seed:
    """A valid file, where its elements begin, and the other files of its series."""

    name: str
    data: bytes
    headers: list[int]
    companions: list[bytes]


def seeds() -> list[Seed]:
    """Give every kind in every encoding."""
    found: list[Seed] = []
    for syntax in (EXPLICIT, IMPLICIT, RLE, JPEG_LS, JPEG_2000):
        slices = [slice_dataset(number) for number in range(SLICES)]
        decorated(slices[0])
        files = [encoded(ds, syntax) for ds in slices]
        found.append(Seed(f"classic {syntax}", files[0], headers(files[0]), files[1:]))
        enhanced = enhanced_dataset()
        decorated(enhanced)
        data = encoded(enhanced, syntax)
        found.append(Seed(f"enhanced {syntax}", data, headers(data), []))
    return found


def decorated(ds: Dataset) -> None:
    """Add what else is found in files: private, nested, unknown, overlays, scaling."""
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1.5", "-10", "US"
    ds.WindowCenter, ds.WindowWidth = ["100", "200"], ["300", "400"]
    ds.BurnedInAnnotation = "NO"
    block = ds.private_block(0x0019, "MAKER", create=True)
    block.add_new(1, "LO", "text")
    block.add_new(2, "UN", b"\1\2\3\4")
    inner, deeper = Dataset(), Dataset()
    deeper.CodeValue, deeper.CodeMeaning = "T-A0100", "Brain"
    inner.AnatomicRegionModifierSequence = Sequence([deeper, Dataset()])
    inner.CodeValue = "T-D1100"
    inner.is_undefined_length_sequence_item = True
    ds.AnatomicRegionSequence = Sequence([inner])
    ds["AnatomicRegionSequence"].is_undefined_length = True
    block.add_new(3, "SQ", Sequence([deeper]))
    ds.add_new(0x60000010, "US", 4)
    ds.add_new(0x60003000, "OW", bytes(2))
    ds.DimensionIndexSequence = Sequence([Dataset()])
    ds.DimensionIndexSequence[0].DimensionIndexPointer = 0x00209057


def encoded(ds: Dataset, syntax: str) -> bytes:
    """Write a file in an encoding."""
    if syntax in ENCODERS:
        size = 2 * ds.Rows * ds.Columns
        raw = ds.PixelData
        frames = [raw[at : at + size] for at in range(0, len(raw), size)]
        parts = [b"", *(ENCODERS[syntax](frame, ds) for frame in frames)]
        ds.PixelData = b"".join(
            ITEM + struct.pack("<I", len(part) + len(part) % 2) + part + bytes(len(part) % 2)
            for part in parts
        )
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return file_of(ds, syntax=syntax)


def headers(data: bytes) -> list[int]:
    """Give where elements and items begin, at any depth (of a valid file)."""
    found: list[int] = []
    at, meta = 132, True
    implicit = b"1.2.840.10008.1.2\0" in data[:400]
    while at < len(data):
        group = int.from_bytes(data[at : at + 2], "little")
        meta = meta and group == 2
        vr = data[at + 4 : at + 6]
        if group == 0xFFFE or (implicit and not meta):
            size, body = int.from_bytes(data[at + 4 : at + 8], "little"), at + 8
        elif vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            size, body = int.from_bytes(data[at + 8 : at + 12], "little"), at + 12
        else:
            size, body = int.from_bytes(data[at + 6 : at + 8], "little"), at + 8
        found.append(at)
        pixels = data[at : at + 4] == b"\xe0\x7f\x10\0"
        if pixels:
            break
        holds_items = size == 0xFFFFFFFF or vr == b"SQ" or group == 0xFFFE
        holds_items = holds_items or data[body : body + 4] == b"\xfe\xff\0\xe0"
        at = body if holds_items else body + size
    return found


def _jpeg_2000(frame: bytes, ds: Dataset) -> bytes:
    stream = io.BytesIO()
    picture = Picture.fromarray(np.frombuffer(frame, np.uint16).reshape(ds.Rows, ds.Columns))
    picture.save(stream, format="JPEG2000", irreversible=False, no_jp2=True)
    return stream.getvalue()


def _by(encoder: object, frame: bytes, ds: Dataset) -> bytes:
    described = {
        **{"rows": ds.Rows, "columns": ds.Columns, "samples_per_pixel": 1, "number_of_frames": 1},
        **{"bits_allocated": 16, "bits_stored": 12, "pixel_representation": 0},
        "photometric_interpretation": "MONOCHROME2",
    }
    return next(iter(encoder.iter_encode(frame, **described)))  # type: ignore[attr-defined]


ENCODERS: dict[str, Callable[[bytes, Dataset], bytes]] = {
    RLE: partial(_by, RLELosslessEncoder),
    JPEG_LS: partial(_by, JPEGLSLosslessEncoder),
    JPEG_2000: _jpeg_2000,
}
