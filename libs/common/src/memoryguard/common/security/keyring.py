# SPDX-License-Identifier: Apache-2.0
"""The two secrets of a deployment.

`KeyRing` (``IMAGING_ENCRYPTION_KEY``) wraps subject keys and may rotate. `VaultKey` makes the
pseudonyms and must never change, or every person would become a stranger. Neither is derived from
the other.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import struct
import uuid

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from memoryguard.common.errors import Corrupt, Misconfigured

KEY_BYTES = 32
SHORTEST_SHIFT_DAYS = 30
LONGEST_SHIFT_DAYS = 365


class KeyRing:
    """Fernet keys that wrap subject keys: the first one wraps, all of them unwrap.

    Parameters
    ----------
    keys
        Fernet keys (URL-safe base64 of 32 bytes), the current one first.

    Attributes
    ----------
    fingerprints
        Names of the keys, in their order.

    Raises
    ------
    Misconfigured
        ``bad_encryption_key``.
    """

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise _bad_key("there is no encryption key in IMAGING_ENCRYPTION_KEY")
        try:
            self._each = [Fernet(key) for key in keys]
        except ValueError as error:  # binascii.Error is one
            raise _bad_key("an encryption key is not 32 bytes in URL-safe base64") from error
        self._fernet = MultiFernet(self._each)
        self.fingerprints = tuple(fingerprint(key) for key in keys)

    def __repr__(self) -> str:
        return "KeyRing(…)"

    @classmethod
    def from_setting(cls, text: str) -> KeyRing:
        """Read keys separated by commas, the current one first."""
        return cls([key.strip() for key in text.split(",")] if text.strip() else [])

    def wrap(self, key: bytes, subject_id: str) -> bytes:
        """Wrap a subject's key under the current deployment key, bound to the subject."""
        return self._fernet.encrypt(key + subject_id.encode())

    def unwrap(self, token: bytes, subject_id: str) -> bytes:
        """Give a subject's key back.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``: altered, another subject's, or under a key we do not have.
        """
        try:
            plain = self._fernet.decrypt(token)
        except InvalidToken as error:
            raise _bad_subject_key() from error
        if plain[KEY_BYTES:] != subject_id.encode():
            raise _bad_subject_key()
        return plain[:KEY_BYTES]

    def place(self, token: bytes) -> int:
        """Give the position of the key that a token is wrapped with; 0 is the current one.

        Raises
        ------
        Corrupt
            ``subject_key_corrupt``: none of them opens it.
        """
        for position, fernet in enumerate(self._each):
            with contextlib.suppress(InvalidToken):
                fernet.decrypt(token)
                return position
        raise _bad_subject_key()


def fingerprint(key: str) -> str:
    """Name a key without telling it: 8 hexadecimal digits of a hash."""
    return hashlib.sha256(b"memoryguard key fingerprint\0" + key.encode()).hexdigest()[:8]


class VaultKey:
    """Makes pseudonyms: the same person always gets the same one, and nobody can go back.

    Everything is HMAC-SHA256 of a domain word and the parts, each with its length in front.

    Parameters
    ----------
    secret
        32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise _bad_key("the vault key is not 32 bytes in URL-safe base64")
        self._secret = secret

    def __repr__(self) -> str:
        return "VaultKey(…)"

    @classmethod
    def from_setting(cls, text: str) -> VaultKey:
        """Read URL-safe base64 of 32 bytes.

        Raises
        ------
        Misconfigured
            ``bad_encryption_key``.
        """
        try:
            return cls(base64.b64decode(text.strip().encode(), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError) as error:
            raise _bad_key("the vault key is not 32 bytes in URL-safe base64") from error

    def subject_id(self, issuer: str, patient_id: str) -> str:
        """Give the pseudonym of a patient: 32 hexadecimal digits."""
        return self._mac("subject", issuer, patient_id).hex()[:32]

    def user_subject_id(self, user_id: str) -> str:
        """Give the pseudonym of an account's owner: 32 hexadecimal digits."""
        return self._mac("user", user_id).hex()[:32]

    def date_shift_days(self, subject_id: str) -> int:
        """Give the person's secret date shift: uniform in ±[30, 365] days, never near 0."""
        choices = LONGEST_SHIFT_DAYS - SHORTEST_SHIFT_DAYS + 1
        draw = int.from_bytes(self._mac("date", subject_id)[:8], "big") % (2 * choices)
        size = SHORTEST_SHIFT_DAYS + draw % choices
        return size if draw < choices else -size

    def uid_key(self, subject_id: str) -> bytes:
        """Give the key of this person's DICOM UIDs: it maps theirs, and tells nothing else."""
        return self._mac("uid", subject_id)

    def arrival_key(self, kind: str, *parts: str) -> str:
        """Name a study, series, instance or other thing that arrives, without naming it."""
        return self._mac("arrival", kind, *parts).hex()[:32]

    def log_key(self) -> bytes:
        """Give the key of the audit log's digests of events."""
        return self._mac("log")

    def setting_digest(self, name: str, value: str) -> bytes:
        """Digest a setting's value, to tell later whether it is another one; it tells no more."""
        return self._mac("setting", name, value)

    def _mac(self, *parts: str) -> bytes:
        encoded = (part.encode() for part in parts)
        message = b"".join(struct.pack(">Q", len(part)) + part for part in encoded)
        return hmac.digest(self._secret, message, "sha256")


def mapped_uid(key: bytes, original: str) -> str:
    """Map a DICOM UID to ``2.25.`` and a UUID (PS3.5 B.2), always the same under one key."""
    digest = hmac.digest(key, original.encode(), "sha256")
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def _bad_key(message: str) -> Misconfigured:
    return Misconfigured(
        "bad_encryption_key", message, "Fernet.generate_key() of Python's cryptography makes one"
    )


def _bad_subject_key() -> Corrupt:
    return Corrupt(
        "subject_key_corrupt",
        "a subject's wrapped key cannot be opened with the configured keys",
        "is the key it was wrapped with still in IMAGING_ENCRYPTION_KEY?",
    )
