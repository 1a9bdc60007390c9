# SPDX-License-Identifier: Apache-2.0
"""Archives made to hurt whoever unpacks them, each with its code, or ``accepted``."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator

END, ENTRY, LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"


def hostile_archives() -> Iterator[tuple[str, bytes, str]]:
    """Give every archive with its name and what must become of it."""
    yield from _bombs()
    yield from _names()
    yield from _lies()


def _bombs() -> Iterator[tuple[str, bytes, str]]:
    layer = zipped(("0.dll", bytes(32 << 20)))
    for _ in range(5):
        layer = zipped(*((f"lib {n}.zip", layer) for n in range(16)))
    yield "42.zip", layer, "nested_archive"
    yield "one file of 1 GiB of nothing", _zeros(1 << 30), "too_large"
    one = zipped(("a", bytes(48 << 20)))
    yield "many entries over one file", _kernel(one, 200), "bad_archive"
    yield "65,535 entries", _directory(65_535), "too_many_files"
    yield "20,001 entries that say they are one", _directory(20_001, said=1), "too_many_files"
    yield "1,000,000 entries", _directory(1_000_000, said=0xFFFF), "too_many_files"


def _names() -> Iterator[tuple[str, bytes, str]]:
    for name in (
        *("../x", "a/../../x", "/etc/cron.d/x", "C:\\x", "..\\..\\x", "//host/share", "a\x1b[2Jb"),
        *("a/./../../b", "\\\\host\\share", "x:y/../z"),
    ):
        yield f"named {name!r}", zipped((name, b"x")), "unsafe_path"
    for kind in (0o120777, 0o120000):
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, kind << 16
        yield f"a link {kind:o}", zipped((link, b"/etc/passwd")), "unsafe_path"
    yield "a file called like a folder", zipped(("a", b"x"), ("a/b", b"y")), "accepted"


def _lies() -> Iterator[tuple[str, bytes, str]]:
    plain = zipped(("a", b"x" * 100), ("b", b"y" * 100), method=zipfile.ZIP_STORED)
    yield "without an end", plain[:-22], "bad_archive"
    yield "an end alone", plain[-22:], "bad_archive"
    yield "an empty archive", zipped(), "empty_upload"
    yield "nothing but ends", END * 5000, "bad_archive"
    yield "a directory behind its end", _patched(plain, END, 16, "<I", len(plain)), "bad_archive"
    yield "a directory of 4 GB", _patched(plain, END, 12, "<I", 0xFFFFFFFF), "too_many_files"
    yield "a file behind the end", _patched(plain, ENTRY, 42, "<I", 0x7FFFFFFF), "bad_archive"
    yield "a file of 4 GB", _patched(plain, ENTRY, 24, "<I", 0xFFFFFFF0), "too_large"
    yield "another size within", _patched(plain, ENTRY, 24, "<I", 99), "bad_archive"
    yield "another checksum", _patched(plain, ENTRY, 16, "<I", 1), "bad_archive"
    yield "another name within", _patched(plain, LOCAL, 30, "<B", ord("c")), "bad_archive"
    yield "an unknown method", _patched(plain, ENTRY, 10, "<H", 77), "bad_archive"
    yield "encrypted", _patched(plain, ENTRY, 8, "<H", 1), "encrypted_archive"
    yield "a name longer than the archive", _patched(plain, ENTRY, 28, "<H", 60_000), "accepted"
    yield "the same name twice", _twice(plain), "bad_archive"


def zipped(
    *files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """Zip files under any names."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content, compress_type=method)
    return target.getvalue()


def _zeros(size: int) -> bytes:
    """One entry of zeros that says its true size, yet holds only the first 16 MiB of them."""
    small = zipped(("zeros", bytes(16 << 20)))
    return _patched(small, ENTRY, 24, "<I", size)


def _patched(data: bytes, mark: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.rindex(mark) + at, value)
    return bytes(changed)


def _kernel(archive: bytes, times: int) -> bytes:
    """Let many entries of the directory use the bytes of one file."""
    start = archive.index(ENTRY)
    entry = archive[start : archive.index(END)]
    entries = b"".join(entry.replace(b"a", f"{n:03d}".encode()[:1]) for n in range(times))
    return _ended(archive[:start], entries, times)


def _directory(entries: int, said: int | None = None) -> bytes:
    start = zipped(("a", b""), method=zipfile.ZIP_STORED)
    at = start.index(ENTRY)
    entry = start[at : start.index(END)]
    return _ended(start[:at], entry * entries, entries if said is None else said)


def _ended(files: bytes, directory: bytes, said: int) -> bytes:
    end = struct.pack("<4sHHHHIIH", END, 0, 0, said, said, len(directory), len(files), 0)
    return files + directory + end


def _twice(archive: bytes) -> bytes:
    return archive.replace(ENTRY, b"\0entry").replace(b"b", b"a").replace(b"\0entry", ENTRY)
