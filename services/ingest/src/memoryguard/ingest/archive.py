# SPDX-License-Identifier: Apache-2.0
"""Zip archives: unpacks others' within limits, packs ours so that equal scans give equal bytes."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from memoryguard.common.errors import Rejected
from memoryguard.ingest.domain.elements import MAX_FILE_BYTES

MAX_ENTRIES = 20_000
MAX_PLAIN_BYTES = 4 << 30
MAX_ENTRY_BYTES = MAX_FILE_BYTES
MAX_RATIO = 100
"""Plain bytes for each compressed byte of the whole archive; MR images have 2 to 4."""
RATIO_FREE_BYTES = 64 << 20
"""Below this the ratio is not looked at: slices of nothing but air compress far better."""
MAX_DIRECTORY_BYTES = 8 << 20

ZIP_MAGIC = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES = 22
_LOCAL_HEADER_BYTES = 30
_SYMLINK, _KIND = 0o120000, 0o170000
_ENCRYPTED = 0x1
_UNSAFE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|[\\\x00-\x1f]")


def is_zip(data: bytes | bytearray) -> bool:
    """Tell whether bytes start like a zip archive (an empty one has only an end)."""
    return data.startswith((ZIP_MAGIC, _END))


def unpack(source: IO[bytes] | io.RawIOBase) -> Iterator[tuple[str, bytes]]:
    """Give names and contents of the files in an archive, one after the other.

    The source can be read anywhere; no more than one file of it is held in memory.

    All names and sizes are checked before the first byte is inflated, and no more is inflated
    than they say.

    Raises
    ------
    Rejected
        ``bad_archive``, ``too_many_files``, ``too_large``, ``nested_archive``, ``unsafe_path``,
        ``encrypted_archive``.
    """
    size = source.seek(0, io.SEEK_END)
    _check_directory(source, size)
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            _check_entries(entries, size)
            for entry in entries:
                if not entry.is_dir():
                    yield entry.filename, _content(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise _bad("the archive is damaged") from error
    except (ValueError, struct.error, OSError, RuntimeError) as error:
        raise _bad("the archive is damaged") from error


def pack(instances: Iterable[bytes]) -> bytes:
    """Pack files in their order; see `Packer`."""
    target = bytearray()
    packer = Packer(target.extend)
    for content in instances:
        packer.add(content)
    packer.finish()
    return bytes(target)


class Packer:
    """Packs files in their order under opaque names: ``00001.dcm``, ``00002.dcm``, …

    Stored, not compressed: another version of zlib would give other bytes for the same scan, and
    its digest is its identity. Time stamps are constant.

    Parameters
    ----------
    write
        Takes the zip, piece after piece.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._end = _End(write)
        self._archive = zipfile.ZipFile(self._end, "w", zipfile.ZIP_STORED)
        self._count = 0

    def add(self, content: bytes) -> None:
        """Add a file."""
        self._count += 1
        entry = zipfile.ZipInfo(f"{self._count:05d}.dcm", (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        entry.external_attr = 0o600 << 16
        self._archive.writestr(entry, content)
        self._end.pass_on()

    def finish(self) -> None:
        """Write the directory."""
        self._archive.close()
        self._end.pass_on()


class _End(io.BytesIO):
    """The end of a file that is being written; what lies before it has been passed on.

    `zipfile` goes back to the header of the file it has just written, never farther.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._write = write
        self._before = 0

    def tell(self) -> int:
        return self._before + super().tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset - self._before if whence == io.SEEK_SET else offset
        return self._before + super().seek(place, whence)

    def pass_on(self) -> None:
        """Pass on what is complete."""
        done = self.getvalue()
        self._write(done)
        self._before += len(done)
        super().seek(0)
        self.truncate()


def _check_directory(source: IO[bytes] | io.RawIOBase, archive_bytes: int) -> None:
    """Look at the end record before the directory is parsed: a million entries cost seconds."""
    start = source.seek(max(0, archive_bytes - _END_BYTES - 0xFFFF))
    data = source.read()
    found = data.rfind(_END)
    if found < 0 or found + _END_BYTES > len(data):
        raise _bad("the archive is cut off")
    at = start + found
    entries, size, offset = struct.unpack_from("<HII", data, found + 10)
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
