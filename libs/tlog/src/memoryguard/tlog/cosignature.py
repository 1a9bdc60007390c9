# SPDX-License-Identifier: Apache-2.0
"""Cosignatures (C2SP tlog-cosignature v1, Ed25519): what a witness signs, and when.

A cosignature says that, at its time, this checkpoint was of the largest tree that the witness had
seen of the log, and that every smaller one it had signed is a prefix of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import Signature, VerifierKey, parse_note, parse_signatures

COSIGNATURE = 0x04
"""Signature type byte of a timestamped Ed25519 cosignature (C2SP tlog-cosignature)."""

TIME_BYTES = 8
SIGNATURE_BYTES = TIME_BYTES + 64
MAX_TIME_S = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WitnessKey(VerifierKey):
    """The public key of a witness, ``name+hex key id+base64(0x04 || key)`` as a text."""

    type_byte: ClassVar[int] = COSIGNATURE


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness's private key and its name."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def key(self) -> WitnessKey:
        """The public half."""
        return WitnessKey(self.name, self.private_key.public_key().public_bytes_raw())

    def cosign(self, text: str, at_s: int) -> str:
        """Return the signature line over a checkpoint's text, at that POSIX time."""
        signed = self.private_key.sign(_message(text, at_s))
        return str(Signature(self.name, self.key.key_id, at_s.to_bytes(TIME_BYTES) + signed))


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that verifies.

    Parameters
    ----------
    key
        Whose it is.
    at_s
        When the witness signed, as it says: seconds since 1970.
    """

    key: WitnessKey
    at_s: int


def open_cosignatures(note: str, keys: Iterable[WitnessKey]) -> list[Cosignature]:
    """Give the cosignatures of a note by the given keys.

    Signatures by other keys are ignored, that of the log too; each one by a given key must verify.

    Raises
    ------
    Unverified
        ``malformed_note`` or ``bad_signature``.
    """
    text, signatures = parse_note(note)
    return _verified(text, signatures, keys)


def open_cosignature_lines(text: str, lines: str, keys: Iterable[WitnessKey]) -> list[Cosignature]:
    """Give the cosignatures in signature lines that came apart from the checkpoint's `text`.

    Raises
    ------
    Unverified
        The codes of `open_cosignatures`.
    """
    return _verified(text, parse_signatures(lines), keys)


def _verified(
    text: str, signatures: Iterable[Signature], keys: Iterable[WitnessKey]
) -> list[Cosignature]:
    known = {(key.name, key.key_id): key for key in keys}
    found = list[Cosignature]()
    for each in signatures:
        key = known.get((each.name, each.key_id))
        if key is not None:
            found.append(_verify(text, key, each.signature))
    return found


def _verify(text: str, key: WitnessKey, signature: bytes) -> Cosignature:
    at_s = int.from_bytes(signature[:TIME_BYTES])
    if len(signature) != SIGNATURE_BYTES or at_s > MAX_TIME_S:
        raise Unverified("bad_signature", "a cosignature has a wrong length or time")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.public_key)
        public.verify(signature[TIME_BYTES:], _message(text, at_s))
    except InvalidSignature:
        raise Unverified("bad_signature", "a cosignature does not verify") from None
    return Cosignature(key, at_s)


def _message(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()
