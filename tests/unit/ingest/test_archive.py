# SPDX-License-Identifier: Apache-2.0
"""Archives: within limits, or refused with a code before anything is inflated."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryguard.common.errors import Rejected
from memoryguard.ingest.archive import MAX_ENTRIES, pack, unpack


def zipped(
    *files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of duplicate names
        with zipfile.ZipFile(target, "w", method) as archive:
            for name, content in files:
                archive.writestr(name, content, compress_type=method)
    return target.getvalue()


def code_of(data: bytes) -> str:
    with pytest.raises(Rejected) as error:
        list(unpack(io.BytesIO(data)))
    assert "SECRET" not in error.value.message
    return error.value.code


def test_round_trip() -> None:
    files = [("a/b.dcm", b"one"), ("c", b""), ("d", bytes(100_000))]
    assert list(unpack(io.BytesIO(zipped(*files)))) == files
    assert list(unpack(io.BytesIO(zipped(*files, method=zipfile.ZIP_STORED)))) == files
    assert [content for _, content in unpack(io.BytesIO(pack([b"x", b"y"])))] == [b"x", b"y"]


def test_folders_are_passed_over() -> None:
    assert list(unpack(io.BytesIO(zipped(("a/", b""), ("a/x", b"1"))))) == [("a/x", b"1")]


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "a\\..\\x", "a\nb", "..", "a/.."),
        "x" * 1001,
    ],
)
def test_names_that_point_out_are_refused(name: str) -> None:
    assert code_of(zipped((name, b"x"))) == "unsafe_path"


def test_a_zero_byte_in_a_name_is_refused() -> None:
    assert code_of(zipped(("SECRETx.dcm", b"1")).replace(b"SECRETx", b"SECRET\0")) in (
        "unsafe_path",
        "bad_archive",
    )


def test_a_symbolic_link_is_refused() -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    assert code_of(zipped((link, b"/etc/passwd"))) == "unsafe_path"


def test_the_same_name_twice_is_refused() -> None:
    assert code_of(zipped(("a", b"1"), ("a", b"2"))) == "bad_archive"


def test_an_archive_in_an_archive_is_refused() -> None:
    assert code_of(zipped(("a.dcm", zipped(("b", b"1"))))) == "nested_archive"


def test_an_encrypted_archive_is_refused() -> None:
    data = bytearray(zipped(("a", b"1")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert code_of(bytes(data)) == "encrypted_archive"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(method: int) -> None:
    assert code_of(zipped(("a", b"1" * 1000), method=method)) == "bad_archive"


def test_too_many_files_are_refused() -> None:
    data = zipped(*((str(n), b"") for n in range(MAX_ENTRIES + 1)))
    assert code_of(data) == "too_many_files"


def test_a_false_count_does_not_help() -> None:
    data = bytearray(zipped(*((str(n), b"") for n in range(MAX_ENTRIES + 1))))
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", data, end + 8, 1, 1)
    assert code_of(bytes(data)) == "too_many_files"


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zipped(*((str(n), bytes(16 << 20)) for n in range(6)))
    assert len(bomb) < 200_000
    tracemalloc.start()
    assert code_of(bomb) == "too_large"
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(zipped(("a", bytes(32 << 20))))
    size = struct.pack("<I", 32 << 20)
    where = data.index(b"PK\x01\x02") + 24
    assert data[where : where + 4] == size
    data[where : where + 4] = struct.pack("<I", 100)
    tracemalloc.start()
    assert code_of(bytes(data)) == "bad_archive"
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_overlapping_files_are_refused() -> None:
    data = bytearray(zipped(("a", b"x" * 50), ("b", b"x" * 50), method=zipfile.ZIP_STORED))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)  # both entries use the first file's bytes
    with pytest.raises(Rejected, match="overlap"):
        list(unpack(io.BytesIO(bytes(data))))


def test_damage_is_refused() -> None:
    good = zipped(("a", bytes(range(256)) * 10), method=zipfile.ZIP_STORED)
    assert code_of(good[:-10]) == "bad_archive"
    assert code_of(good[:100]) == "bad_archive"
    flipped = bytearray(good)
    flipped[200] ^= 1
    assert code_of(bytes(flipped)) == "bad_archive"
    assert code_of(zipped()) == "empty_upload"


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_no_damage_makes_anything_but_a_refusal(at: int, junk: bytes) -> None:
    data = bytearray(zipped(("a/b", b"hello" * 20), ("c", bytes(300))))
    at %= len(data)
    data[at : at + len(junk)] = junk
    try:
        list(unpack(io.BytesIO(bytes(data))))
    except Rejected as error:
        assert error.code
