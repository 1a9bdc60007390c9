# SPDX-License-Identifier: Apache-2.0
"""Zip archives: unpacks others' within limits, packs ours so that equal scans give equal bytes."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence

from memoryguard.common.errors import Rejected

MAX_ENTRIES = 5_000
MAX_PLAIN_BYTES = 2 << 30
MAX_ENTRY_BYTES = 1 << 30
MAX_RATIO = 100
"""Plain bytes for each compressed byte of the whole archive; MR images have 2 to 4."""
RATIO_FREE_BYTES = 64 << 20
"""Below this the ratio is not looked at: slices of nothing but air compress far better."""
MAX_DIRECTORY_BYTES = 4 << 20

ZIP_MAGIC = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES = 22
_LOCAL_HEADER_BYTES = 30
_SYMLINK, _KIND = 0o120000, 0o170000
_ENCRYPTED = 0x1
_UNSAFE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|[\\\x00-\x1f]")


def is_zip(data: bytes) -> bool:
    """Tell whether bytes start like a zip archive (an empty one has only an end)."""
    return data.startswith((ZIP_MAGIC, _END))


def unpack(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give names and contents of the files in an archive, one after the other.

    All names and sizes are checked before the first byte is inflated, and no more is inflated
    than they say.

    Raises
    ------
    Rejected
        ``bad_archive``, ``too_many_files``, ``too_large``, ``nested_archive``, ``unsafe_path``,
        ``encrypted_archive``.
    """
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data))
            for entry in entries:
                if not entry.is_dir():
                    yield entry.filename, _content(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _bad("the archive is damaged") from error
    except (ValueError, struct.error, OSError, RuntimeError) as error:
        raise _bad("the archive is damaged") from error


def pack(instances: Sequence[bytes]) -> bytes:
    """Pack files in their order under opaque names.

    Stored, not compressed: another version of zlib would give other bytes for the same scan, and
    its digest is its identity. Time stamps are constant.

    Returns
    -------
    bytes
        A zip with ``00001.dcm``, ``00002.dcm``, …
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, content in enumerate(instances, 1):
            entry = zipfile.ZipInfo(f"{number:05d}.dcm", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return target.getvalue()


def _check_directory(data: bytes) -> None:
    """Look at the end record before the directory is parsed: a million entries cost seconds."""
    at = data.rfind(_END, max(0, len(data) - _END_BYTES - 0xFFFF))
    if at < 0 or at + _END_BYTES > len(data):
        raise _bad("the archive is cut off")
    entries, size, offset = struct.unpack_from("<HII", data, at + 10)
    if entries > MAX_ENTRIES or size > MAX_DIRECTORY_BYTES:
        raise _too_many()
    if offset + size > at:
        raise _bad("the archive is damaged")
    if entries == 0:
        raise Rejected("empty_upload", "the archive is empty")


def _check_entries(entries: Sequence[zipfile.ZipInfo], archive_bytes: int) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _too_many()
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise _bad("two files in the archive have the same name")
    for entry in entries:
        _check_entry(entry)
    plain = sum(entry.file_size for entry in entries)
    bomb = plain > RATIO_FREE_BYTES and plain > MAX_RATIO * archive_bytes
    if plain > MAX_PLAIN_BYTES or bomb:
        raise _too_large()
    _check_overlaps(entries)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    # orig_filename: zipfile cuts the other one at a zero byte, and turns backslashes on Windows
    if _UNSAFE.search(entry.orig_filename) or len(entry.filename) > 1000:
        raise Rejected("unsafe_path", "a name in the archive points out of it")
    if (entry.external_attr >> 16) & _KIND == _SYMLINK:
        raise Rejected("unsafe_path", "the archive has a symbolic link in it")
    if entry.flag_bits & _ENCRYPTED:
        raise Rejected("encrypted_archive", "the archive is encrypted", "send it without password")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _bad("the archive is compressed by a method other than deflate")
    if entry.file_size > MAX_ENTRY_BYTES:
        raise _too_large()


def _check_overlaps(entries: Iterable[zipfile.ZipInfo]) -> None:
    """Entries that share bytes make a bomb out of a small file."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _bad("files in the archive overlap")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise _bad("a file in the archive has another size than it says")
    if is_zip(content):
        raise Rejected("nested_archive", "there is an archive in the archive")
    return content


def _bad(message: str) -> Rejected:
    return Rejected("bad_archive", message)


def _too_many() -> Rejected:
    return Rejected("too_many_files", f"an upload may have at most {MAX_ENTRIES} files")


def _too_large() -> Rejected:
    return Rejected("too_large", "the archive would unpack to more than is taken")
