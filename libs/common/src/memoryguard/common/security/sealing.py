# SPDX-License-Identifier: Apache-2.0
"""Short texts in the database that nobody reads there: sealed with AES-GCM."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


def sealed(text: str, key: str, name: str) -> bytes:
    """Seal a text, bound to the name it is kept under; the key is hexadecimal."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(bytes.fromhex(key)).encrypt(nonce, text.encode(), name.encode())


def opened(body: bytes, key: str, name: str) -> str:
    """Open what `sealed` gave."""
    nonce, rest = body[:NONCE_BYTES], body[NONCE_BYTES:]
    return AESGCM(bytes.fromhex(key)).decrypt(nonce, rest, name.encode()).decode()
