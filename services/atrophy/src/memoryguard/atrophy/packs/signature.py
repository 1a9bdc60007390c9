# SPDX-License-Identifier: Apache-2.0
"""Detached Ed25519 signatures of norm packs.

``NAME.json.sig`` holds the id of a key and its signature over the exact bytes of ``NAME.json``.
Public keys of releases lie in ``keys.json``; the private half of a release's key is thrown away
when its packs are signed, so a new release adds a new key. A deployment signs packs of its own
with a key of its own::

    python -m memoryguard.atrophy.packs.signature new-key KEY.pem
    python -m memoryguard.atrophy.packs.signature sign KEY.pem PACK.json
"""

from __future__ import annotations

import argparse
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

from memoryguard.common.errors import Misconfigured

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


def _new_key(path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(pem)
    return text_of(key.public_key())


def _sign_with(path: Path, pack: Path) -> str:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise SystemExit("the key is not an Ed25519 private key (PEM)")
    sign(pack, key)
    return f"{signature_of(pack).name}, key {key_id(key.public_key())}"


def main(arguments: list[str] | None = None) -> None:
    """Make a key (its public half is printed), or sign a pack with one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("new-key")
    making.add_argument("key", type=Path)
    signing = commands.add_parser("sign")
    signing.add_argument("key", type=Path)
    signing.add_argument("pack", type=Path)
    asked = parser.parse_args(arguments)
    print(_new_key(asked.key) if asked.command == "new-key" else _sign_with(asked.key, asked.pack))


if __name__ == "__main__":
    main()
