# SPDX-License-Identifier: Apache-2.0
"""The witness's private key: one line in a file that its owner alone may read.

The line is that of Go's note package: ``PRIVATE+KEY+name+hex key id+base64(0x04 || seed)``.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.common.errors import Misconfigured
from memoryguard.tlog.cosignature import COSIGNATURE, Cosigner
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import decode_base64, encode_base64, is_key_name

KEY_MODE = 0o600


def make_key(path: Path, name: str) -> Cosigner:
    """Make a key in a file; one that is there stays as it is, and is given back.

    Raises
    ------
    Misconfigured
        ``bad_witness_name`` or ``bad_witness_key``.
    """
    if not is_key_name(name):
        raise Misconfigured(
            "bad_witness_name",
            "a witness's name has neither spaces nor a plus sign",
            "for instance witness.example.com/brain",
        )
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(_line(Cosigner(name, Ed25519PrivateKey.generate())))
            file.flush()
            os.fsync(file.fileno())
    return read_key(path)


def read_key(path: Path) -> Cosigner:
    """Read a key.

    Raises
    ------
    Misconfigured
        ``bad_witness_key``.
    """
    try:
        private, key, name, key_id, encoded = path.read_text().strip().split("+", 4)
        raw = decode_base64(encoded, "malformed_key")
        if (private, key, raw[:1]) == ("PRIVATE", "KEY", bytes([COSIGNATURE])):
            cosigner = Cosigner(name, Ed25519PrivateKey.from_private_bytes(raw[1:]))
            if cosigner.key.key_id.hex() == key_id:
                return cosigner
    except (OSError, ValueError, Unverified):
        pass
    raise Misconfigured(
        "bad_witness_key", "there is no witness's key in the file", "memoryguard witness new-key"
    )


def _line(cosigner: Cosigner) -> str:
    raw = bytes([COSIGNATURE]) + cosigner.private_key.private_bytes_raw()
    encoded = encode_base64(raw)
    return f"PRIVATE+KEY+{cosigner.name}+{cosigner.key.key_id.hex()}+{encoded}\n"
