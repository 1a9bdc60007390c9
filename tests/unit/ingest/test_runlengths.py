# SPDX-License-Identifier: Apache-2.0
"""Of run lengths nothing is kept that no decoder reads, and every pixel is."""

from __future__ import annotations

import random
import struct
import time

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.pixels.encoders import RLELosslessEncoder

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.runlengths import pixels_only

TEXT = b"SECRETNAME"


def encoded(plane: np.ndarray) -> bytes:
    bits = plane.dtype.itemsize * 8
    return next(
        RLELosslessEncoder.iter_encode(
            plane, rows=plane.shape[0], columns=plane.shape[1], samples_per_pixel=1,
            number_of_frames=1, bits_allocated=bits, bits_stored=bits, pixel_representation=0,
            photometric_interpretation="MONOCHROME2",
        )
    )  # fmt: skip


def planes() -> list[np.ndarray]:
    """Noise, runs, and both, of every depth."""
    draw = np.random.default_rng(1)
    found: list[np.ndarray] = []
    for kind in ("u1", "<u2"):
        for highest in (1, 3, 200):
            found += [draw.integers(0, highest, shape).astype(kind) for shape in ((1, 1), (9, 200))]
    return found


def named(plane: np.ndarray) -> str:
    return f"{plane.dtype} {plane.shape} up to {plane.max()}"


@pytest.mark.parametrize("plane", planes(), ids=named)
def test_what_an_encoder_writes_stays_as_it_is(plane: np.ndarray) -> None:
    code = encoded(plane)
    assert pixels_only(code, plane.size, plane.dtype.itemsize) == code


def test_what_another_encoder_wrote_stays_as_it_is() -> None:
    path = get_testdata_file("MR_small_RLE.dcm")
    assert isinstance(path, str)
    ds = pydicom.dcmread(path)
    code = next(generate_frames(ds.PixelData, number_of_frames=1))
    assert pixels_only(code, ds.Rows * ds.Columns, 2) == code


@pytest.mark.parametrize("plane", planes(), ids=named)
def test_text_goes_wherever_it_stands_and_no_pixel_with_it(plane: np.ndarray) -> None:
    code, size = encoded(plane), plane.dtype.itemsize
    starts = struct.unpack_from(f"<{size}I", code, 4)
    segments = [code[a:b] for a, b in zip(starts, [*starts[1:], len(code)], strict=True)]
    body, moved = TEXT, []
    for segment in segments:
        moved.append(64 + len(body))
        body += segment + bytes([len(TEXT) - 1]) + TEXT  # as one more run, of pixels too many
    head = struct.pack(f"<{size + 1}I", size, *moved).ljust(64 - len(TEXT), b"\0") + TEXT
    kept = pixels_only(head + body, plane.size, size)
    assert len(kept) == len(head + body)
    assert b"SECRET" not in kept
    for place, segment in zip(moved, segments, strict=True):
        assert kept[place : place + len(segment)].rstrip(b"\0") == segment.rstrip(b"\0")


def test_of_a_run_that_goes_on_too_long_only_pixels_stay() -> None:
    code = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x01ab" + b"\x0bcd" + TEXT
    kept = pixels_only(code, 4, 1)
    assert kept == code[:-10] + bytes(10)
    with pytest.raises(Rejected):
        pixels_only(code, 40, 1)


def test_nonsense_ends_soon_and_with_a_code() -> None:
    draw = random.Random(2)
    head = struct.pack("<16I", 2, 64, 64 + (1 << 20), *[0] * 13)
    for body in (b"\x80" * (32 << 20), b"\x00a" * (16 << 20), draw.randbytes(4 << 20)):
        start = time.process_time()
        with pytest.raises(Rejected) as error:
            pixels_only(head + body, 4096 * 4096, 2)
        assert error.value.code == "malformed_dicom"
        assert time.process_time() - start < 8.0
