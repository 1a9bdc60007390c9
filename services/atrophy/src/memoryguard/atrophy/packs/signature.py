# SPDX-License-Identifier: Apache-2.0
"""Detached Ed25519 signatures of norm packs.

``NAME.json.sig`` holds the id of a key and its signature over the exact bytes of ``NAME.json``.
Public keys of releases lie in ``keys.json``; the private half of a release's key is thrown away
when its packs are signed, so a new release adds a new key. A deployment signs packs of its own
with a key of its own (``memoryguard norms``).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from memoryguard.common.errors import Misconfigured, Rejected

Keys = Mapping[str, Ed25519PublicKey]
"""Trusted public keys by id."""

RELEASE_KEYS = Path(__file__).parent / "keys.json"


def key_id(key: Ed25519PublicKey) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def text_of(key: Ed25519PublicKey) -> str:
    """Write a public key: base64 of its 32 raw bytes."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def keys_of(texts: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Read public keys as `text_of` writes them, by id."""
    try:
        raw = [base64.b64decode(text, validate=True) for text in texts]
        return {key_id(k): k for k in (Ed25519PublicKey.from_public_bytes(each) for each in raw)}
    except ValueError:
        raise Misconfigured(
            "norm_pack_key_malformed",
            "a public key for norm packs is not the base64 of 32 bytes",
            "the command that makes a key prints it",
        ) from None


@cache
def release_keys() -> dict[str, Ed25519PublicKey]:
    """Public keys that this release trusts."""
    return keys_of(json.loads(RELEASE_KEYS.read_text(encoding="utf-8")).values())


def signature_of(path: Path) -> Path:
    """Where the signature of a pack lies."""
    return path.with_name(f"{path.name}.sig")


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the signature of a pack's bytes beside it."""
    signature = base64.b64encode(key.sign(path.read_bytes())).decode()
    said = {"key_id": key_id(key.public_key()), "signature": signature}
    signature_of(path).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def verify(path: Path, content: bytes, keys: Keys) -> str:
    """Return the id of the trusted key that signed these bytes.

    Raises
    ------
    Misconfigured
        When there is no signature, its key is not trusted, or the bytes are not those signed.
    """
    try:
        said = json.loads(signature_of(path).read_bytes())
        name, signature = said["key_id"], base64.b64decode(said["signature"], validate=True)
        keys[name].verify(signature, content)
    except (OSError, ValueError, KeyError, TypeError, InvalidSignature):
        raise Misconfigured(
            "norm_pack_not_trusted",
            "a norm pack has no signature of a trusted key over what it says now",
            "sign it again, and name the public key in MEMORYGUARD_ATROPHY_PACK_KEYS",
        ) from None
    return name


def new_key(path: Path) -> str:
    """Write a new private key (PEM, mode 0600) and return its public half in base64.

    Raises
    ------
    Rejected
        ``file_exists``: a key is never written over.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Rejected(
            "file_exists", "there is a file of that name", "a key is never written over"
        ) from None
    path.write_bytes(pem)
    return text_of(key.public_key())


def sign_with(path: Path, pack: Path) -> Path:
    """Sign a file with the private key in another; where the signature lies now.

    Raises
    ------
    Rejected
        ``not_a_signing_key``.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Rejected(
            "not_a_signing_key",
            "the key is not an Ed25519 private key (PEM)",
            "make one with `memoryguard norms new-key`",
        )
    sign(pack, key)
    return signature_of(pack)
