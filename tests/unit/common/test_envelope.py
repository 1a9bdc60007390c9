# SPDX-License-Identifier: Apache-2.0
"""The envelope: nothing altered, moved, cut or swapped is ever accepted."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryguard.common.errors import Corrupt
from memoryguard.common.security.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    decrypt,
    encrypt,
)

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
FRESH = bytes(range(100, 144))
SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES


def seal(data: bytes, object_id: str = "scans/a", subject_id: str = "s1") -> bytes:
    return b"".join(encrypt([data], subject_key=KEY, object_id=object_id, subject_id=subject_id))


def unseal(
    data: bytes, object_id: str = "scans/a", subject_id: str = "s1", key: bytes = KEY
) -> bytes:
    return b"".join(decrypt([data], subject_key=key, object_id=object_id, subject_id=subject_id))


VECTORS = [  # plain length, SHA-256 of the ciphertext; made once, never to change within version 1
    (0, "30c7d274a604ab7bc6b103517df0910742642a669c886a1cb843991eaba0cde6"),
    (5, "99bcdd4e62d13c5f4138033458c45d46ee001e4fe19cb1c11241bea61ee27fdc"),
    (CHUNK_BYTES, "48e03ed69b91a35cb2bc8a0453ce73ad51e12889918d290303b947300753a20b"),
    (CHUNK_BYTES + 1, "0afc0a3b6d998c07b39bd37a5109453032075190d33f7e90064ac344216dee0d"),
]


@pytest.mark.parametrize(("length", "expected"), VECTORS)
def test_the_format_is_frozen(length: int, expected: str) -> None:
    plain = (bytes(range(251)) * (length // 251 + 1))[:length]
    sealed = b"".join(
        encrypt([plain], subject_key=KEY, object_id="scans/a", subject_id="s1", fresh=FRESH)
    )
    assert hashlib.sha256(sealed).hexdigest() == expected
    assert unseal(sealed) == plain


def test_the_smallest_envelope_byte_for_byte() -> None:
    sealed = b"".join(
        encrypt([b"hello"], subject_key=KEY, object_id="scans/a", subject_id="s1", fresh=FRESH)
    )
    assert sealed.hex() == (
        "4d4745018485868788898a8b8c8d8e8f8eb7f3a840b1a39ed929399743ea5159419f3528dadb529d"
        "e767358e376d08f98a29f24136339b162da581a9b49e883381e11596066de8e1c5bb53fefd4d405f"
        "a838d4348f"
    )


def by_hand(plain: bytes) -> bytes:
    """Write the format once more, from its description alone."""
    object_key, nonce = FRESH[:32], FRESH[32:]
    names = b"\0\0\0\7scans/a" + b"\0\0\0\2s1"
    header = b"MGE\1" + nonce + AESGCM(KEY).encrypt(nonce, object_key, b"MGE\1" + names)
    cuts = [plain[at : at + 2**20] for at in range(0, len(plain), 2**20)] or [b""]
    sealed = [
        AESGCM(object_key).encrypt(
            index.to_bytes(11, "big") + bytes([index == len(cuts) - 1]), cut, header + names
        )
        for index, cut in enumerate(cuts)
    ]
    return header + b"".join(sealed)


@pytest.mark.control("164.312(a)(2)(iv)", "objects")
@pytest.mark.parametrize("length", [0, 1, 2**20, 2**20 + 1, 3 * 2**20 - 5])
def test_an_independent_hand_writes_the_same_bytes(length: int) -> None:
    plain = (bytes(range(251)) * (length // 251 + 1))[:length]
    sealed = b"".join(
        encrypt([plain], subject_key=KEY, object_id="scans/a", subject_id="s1", fresh=FRESH)
    )
    assert sealed == by_hand(plain)


@given(
    st.lists(st.binary(max_size=400), max_size=6),
    st.integers(1, 300),
    st.sampled_from([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES]),
)
@settings(max_examples=40, deadline=None)
def test_round_trip_in_pieces_of_any_size(pieces: list[bytes], cut: int, pad: int) -> None:
    pieces = [*pieces, bytes(pad)]
    sealed = b"".join(encrypt(pieces, subject_key=KEY, object_id="o", subject_id="s"))
    cuts = [sealed[:cut], b"", sealed[cut:]]
    plain = b"".join(decrypt(cuts, subject_key=KEY, object_id="o", subject_id="s"))
    assert plain == b"".join(pieces)


@given(st.binary(max_size=200), st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.control("164.312(c)(2)", "objects")
def test_any_flipped_bit_is_found(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(plain))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Corrupt):
        unseal(bytes(sealed))


@given(st.binary(max_size=200), st.data())
@settings(max_examples=100, deadline=None)
@pytest.mark.control("164.312(c)(2)", "objects")
def test_any_cut_or_addition_is_found(plain: bytes, data: st.DataObject) -> None:
    sealed = seal(plain)
    with pytest.raises(Corrupt):
        unseal(sealed[: data.draw(st.integers(0, len(sealed) - 1))])
    with pytest.raises(Corrupt):
        unseal(sealed + data.draw(st.binary(min_size=1, max_size=50)))


def test_a_cut_at_a_chunk_border_is_found() -> None:
    sealed = seal(bytes(3 * CHUNK_BYTES))
    for chunks in range(3):
        with pytest.raises(Corrupt):
            unseal(sealed[: HEADER_BYTES + chunks * SEALED_CHUNK])


@pytest.mark.control("164.312(c)(2)", "objects")
def test_reordered_repeated_and_missing_chunks_are_found() -> None:
    sealed = seal(bytes(3 * CHUNK_BYTES + 7))
    header, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    a, b, c = (body[i * SEALED_CHUNK : (i + 1) * SEALED_CHUNK] for i in range(3))
    end = body[3 * SEALED_CHUNK :]
    assert unseal(header + a + b + c + end) == bytes(3 * CHUNK_BYTES + 7)
    for wrong in (b + a + c + end, a + a + b + c + end, a + c + end, a + b + c + end + end):
        with pytest.raises(Corrupt):
            unseal(header + wrong)


@pytest.mark.control("164.312(c)(2)", "objects")
def test_another_object_subject_or_key_is_refused() -> None:
    sealed = seal(b"brain")
    with pytest.raises(Corrupt):
        unseal(sealed, object_id="scans/b")
    with pytest.raises(Corrupt):
        unseal(sealed, subject_id="s2")
    with pytest.raises(Corrupt):
        unseal(sealed, key=OTHER_KEY)


def test_names_cannot_slide_into_each_other() -> None:
    with pytest.raises(Corrupt):
        unseal(seal(b"x", object_id="ab", subject_id="c"), object_id="a", subject_id="bc")


def test_the_body_of_one_object_under_the_header_of_another_is_refused() -> None:
    one, two = seal(b"one"), seal(b"two")
    with pytest.raises(Corrupt):
        unseal(one[:HEADER_BYTES] + two[HEADER_BYTES:])


def test_same_plain_bytes_never_give_the_same_ciphertext() -> None:
    assert seal(b"x") != seal(b"x")


def test_memory_does_not_grow_with_the_object() -> None:
    def plain() -> Iterator[bytes]:
        for _ in range(48):
            yield bytes(CHUNK_BYTES)

    tracemalloc.start()
    sealed = encrypt(plain(), subject_key=KEY, object_id="o", subject_id="s")
    opened = decrypt(sealed, subject_key=KEY, object_id="o", subject_id="s")
    total = sum(len(piece) for piece in opened)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 48 * CHUNK_BYTES
    assert peak < 12 * CHUNK_BYTES
