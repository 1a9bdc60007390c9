# SPDX-License-Identifier: Apache-2.0
"""Signed notes (C2SP signed-note v1): a text, and Ed25519 signatures (type 0x01) over it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from memoryguard.tlog.errors import Unverified

ED25519 = 0x01
"""Signature type byte of a plain Ed25519 signature (C2SP signed-note, signature types)."""

KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32
MAX_NOTE_CHARACTERS = 1_000_000
"""Our bound on a note; the specification asks for one and leaves the number open."""

_EM_DASH = "— "

K = TypeVar("K", bound="VerifierKey")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that is trusted to sign notes.

    Parameters
    ----------
    name
        Key name: non-empty, without spaces or ``+``.
    public_key
        Raw 32-byte Ed25519 public key (RFC 8032).
    """

    name: str
    public_key: bytes

    type_byte: ClassVar[int] = ED25519
    """What is signed, and how; another type is another key, also with the same bytes."""

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public_key) != PUBLIC_KEY_BYTES:
            raise Unverified("malformed_key", "the verifier key's name or length is wrong")

    @property
    def key_id(self) -> bytes:
        """``SHA-256(name || 0x0A || type || public key)[:4]``."""
        message = self.name.encode() + b"\n" + bytes([self.type_byte]) + self.public_key
        return hashlib.sha256(message).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        encoded = encode_base64(bytes([self.type_byte]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls: type[K], text: str) -> K:
        """Read ``name+hex key id+base64(type || key)``.

        Raises
        ------
        Unverified
            ``malformed_key``, also where the id does not belong to the key.
        """
        parts = text.split("+", 2)  # a name has no "+", base64 may have
        key = decode_base64(parts[2], "malformed_key") if len(parts) == 3 else b""
        if len(key) != 1 + PUBLIC_KEY_BYTES or key[0] != cls.type_byte:
            raise Unverified("malformed_key", "this is no verifier key, or one of another type")
        parsed = cls(parts[0], key[1:])
        if parsed.key_id.hex() != parts[1]:
            raise Unverified("malformed_key", "the verifier key's id does not belong to it")
        return parsed


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and the name it signs under."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.private_key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_EM_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


def sign_note(text: str, *signers: Signer) -> str:
    """Return the note: `text` (which ends in a newline) signed by each of `signers`."""
    if not text.endswith("\n") or _has_control(text):
        raise ValueError("a note's text ends in a newline and has no other control character")
    lines = [_signature_line(text, signer) for signer in signers]
    return f"{text}\n{''.join(lines)}"


def parse_note(note: str) -> tuple[str, list[Signature]]:
    """Split a note into its text and its signatures, which are *not* verified.

    Raises
    ------
    Unverified
        ``malformed_note``.
    """
    text_end = note.rfind("\n\n")
    if len(note) > MAX_NOTE_CHARACTERS or not _is_unicode(note):
        raise Unverified("malformed_note", "the note is too long, or not Unicode")
    if text_end < 0 or not note.endswith("\n") or _has_control(note):
        raise Unverified("malformed_note", "this is not a signed note")
    lines = note[text_end + 2 : -1].split("\n")
    return note[: text_end + 1], [_parse_signature(line) for line in lines]


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """Return the note's text after checking its signatures.

    Signatures by keys that are not in `keys` are ignored; each one by a key that is must verify,
    and there must be at least one.

    Raises
    ------
    Unverified
        ``malformed_note``, ``bad_signature``, or ``unknown_key`` when no given key signed it.
    """
    text, signatures = parse_note(note)
    check_signatures(text, signatures, keys)
    return text


def parse_signatures(lines: str) -> list[Signature]:
    """Read the signature lines of a note whose text lies elsewhere; they are *not* verified.

    Raises
    ------
    Unverified
        ``malformed_note``.
    """
    return parse_note(f"\n\n{lines}")[1]


def check_signatures(
    text: str, signatures: Iterable[Signature], keys: Iterable[VerifierKey]
) -> None:
    """Check a text's signatures, by the rules of `open_note`.

    Raises
    ------
    Unverified
        ``bad_signature``, or ``unknown_key`` when no given key signed it.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signed = False
    for each in signatures:
        key = known.get((each.name, each.key_id))
        if key is not None:
            _verify(text, key, each.signature)
            signed = True
    if not signed:
        raise Unverified("unknown_key", "no known key signed this note")


def is_key_name(name: str) -> bool:
    """Say whether `name` may stand in a signature line."""
    forbidden = any(c == "+" or c < " " or c.isspace() for c in name)
    return bool(name) and not forbidden and _is_unicode(name)


def encode_base64(data: bytes) -> str:
    """Write bytes as standard base64."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, code: str) -> bytes:
    """Decode canonical standard base64, or raise `Unverified` with `code`."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unverified(code, "base64 was expected") from None
    # Stray bits after the end would make two spellings of one value.
    if encode_base64(decoded) != text:
        raise Unverified(code, "base64 is not in its canonical form")
    return decoded


def _signature_line(text: str, signer: Signer) -> str:
    key = signer.verifier_key
    return str(Signature(key.name, key.key_id, signer.private_key.sign(text.encode())))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_EM_DASH).partition(" ")
    if not (line.startswith(_EM_DASH) and space and is_key_name(name)):
        raise Unverified("malformed_note", "a signature line of the note is malformed")
    raw = decode_base64(encoded, "malformed_note")
    if len(raw) <= KEY_ID_BYTES:
        raise Unverified("malformed_note", "a signature of the note is too short")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _verify(text: str, key: VerifierKey, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except InvalidSignature:
        raise Unverified("bad_signature", "the note's signature does not verify") from None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)  # a lone surrogate has no UTF-8


def _has_control(text: str) -> bool:
    return any(c < " " and c != "\n" for c in text)
