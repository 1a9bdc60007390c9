# SPDX-License-Identifier: Apache-2.0
"""Envelope encryption of one object, streamed in constant memory.

Layout::

    magic and version    4 bytes   b"MGE" 0x01
    wrapping nonce      12 bytes   random
    wrapped object key  48 bytes   AES-256-GCM of the object key under the subject key
    chunks                         AES-256-GCM of up to 1 MiB each under the object key

A chunk's nonce is its index (11 bytes, big endian) and a last flag (1 byte), as in the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015): chunks cannot be dropped, reordered
or repeated, and the end cannot be cut off. Every tag also covers the object id, the subject id and
the header, so that an object cannot stand in for another one. The object key is fresh for every
object, hence counting nonces never repeat under one key.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memoryguard.common.errors import Corrupt

MAGIC = b"MGE\x01"
CHUNK_BYTES = 1 << 20
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
Piece: TypeAlias = bytes | bytearray | memoryview
HEADER_BYTES = len(MAGIC) + NONCE_BYTES + KEY_BYTES + TAG_BYTES


def encrypt(
    chunks: Iterable[bytes | memoryview],
    *,
    subject_key: bytes,
    object_id: str,
    subject_id: str,
    fresh: bytes | None = None,
) -> Iterator[bytes]:
    """Encrypt a stream.

    Parameters
    ----------
    chunks
        Plain bytes, in pieces of any size.
    subject_key
        32 bytes.
    object_id, subject_id
        What the ciphertext is bound to; decryption needs the same.
    fresh
        Object key (32 bytes) and wrapping nonce (12 bytes). Given by the committed test vectors
        only: anything but new random bytes breaks the encryption.

    Yields
    ------
    bytes
        The header, then one piece of ciphertext for each MiB.
    """
    drawn = os.urandom(KEY_BYTES + NONCE_BYTES) if fresh is None else fresh
    object_key, nonce = drawn[:KEY_BYTES], drawn[KEY_BYTES:]
    context = _context(object_id, subject_id)
    header = MAGIC + nonce + AESGCM(subject_key).encrypt(nonce, object_key, MAGIC + context)
    yield header
    cipher = AESGCM(object_key)
    for index, (piece, last) in enumerate(_resized(chunks, CHUNK_BYTES)):
        yield cipher.encrypt(_nonce(index, last=last), piece, header + context)


def decrypt(
    chunks: Iterable[bytes | memoryview], *, subject_key: bytes, object_id: str, subject_id: str
) -> Iterator[bytes]:
    """Decrypt a stream made by `encrypt`.

    Every piece that comes out is authentic and in its place; only reaching the end without an
    error says that nothing is missing.

    Raises
    ------
    Corrupt
        ``object_corrupt``: altered, cut, reordered, swapped, or of another subject.
    """
    context = _context(object_id, subject_id)
    stream = _Prefix(iter(chunks))
    header = stream.take(HEADER_BYTES)
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise _corrupt()
    nonce, wrapped = header[len(MAGIC) :][:NONCE_BYTES], header[len(MAGIC) + NONCE_BYTES :]
    cipher = AESGCM(_open(AESGCM(subject_key), nonce, wrapped, MAGIC + context))
    for index, (piece, last) in enumerate(_resized(stream.rest(), CHUNK_BYTES + TAG_BYTES)):
        yield _open(cipher, _nonce(index, last=last), piece, header + context)


def sealed_bytes(plain_bytes: int) -> int:
    """Tell how long the ciphertext of so many bytes is."""
    chunks = max(1, -(-plain_bytes // CHUNK_BYTES))
    return HEADER_BYTES + plain_bytes + chunks * TAG_BYTES


def _open(cipher: AESGCM, nonce: bytes, piece: Piece, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, piece, bound)
    except (InvalidTag, ValueError) as error:
        raise _corrupt() from error


def _corrupt() -> Corrupt:
    return Corrupt(
        "object_corrupt",
        "a stored object is not what was written under this name for this subject",
        "restore it from a backup; the audit log says who wrote it and when",
    )


def _context(object_id: str, subject_id: str) -> bytes:
    """Both names with their lengths in front, so that no two pairs read the same."""
    parts = (object_id.encode(), subject_id.encode())
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(NONCE_BYTES - 1, "big") + (b"\x01" if last else b"\x00")


def _resized(chunks: Iterable[bytes | memoryview], size: int) -> Iterator[tuple[Piece, bool]]:
    """Cut a stream into pieces of ``size``; the last one (1 to ``size`` bytes) is marked.

    An empty stream gives one empty last piece. What comes in large is cut without being copied.
    """
    held: Piece = b""  # up to `size` bytes that are last, unless more comes
    for chunk in chunks:
        view = _lasting(chunk)
        if not held:
            held, view = view[:size], view[size:]
        elif len(held) < size:
            if not isinstance(held, bytearray):
                held = bytearray(held)
            room = size - len(held)
            held += view[:room]
            view = view[room:]
        while len(view):
            yield held, False
            held, view = view[:size], view[size:]
    yield held, True


def _lasting(chunk: Piece) -> memoryview:
    """Look at a piece; a copy of it where its owner may fill it again."""
    view = memoryview(chunk)
    return view if view.readonly else memoryview(bytes(view))


class _Prefix:
    """Takes the first bytes off a stream of pieces."""

    def __init__(self, chunks: Iterator[bytes | memoryview]) -> None:
        self._chunks = chunks
        self._left: bytes | memoryview = b""

    def take(self, size: int) -> bytes:
        while len(self._left) < size:
            piece = next(self._chunks, None)
            if piece is None:
                break
            self._left = bytes(self._left) + piece if self._left else _lasting(piece)
        taken, self._left = self._left[:size], self._left[size:]
        return bytes(taken)

    def rest(self) -> Iterator[bytes | memoryview]:
        yield self._left
        yield from self._chunks
