# SPDX-License-Identifier: Apache-2.0
"""The list as a file, and its signature beside it.

The signature is Ed25519 over the exact bytes of the list. It is kept as the signature line of a
C2SP signed note, as the log's checkpoints are: list, empty line and this file are such a note. It
is made with the log's key under a name of its own, so it can never pass for a checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memoryguard.common.errors import Rejected
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import (
    Signer,
    VerifierKey,
    check_signatures,
    parse_signatures,
    sign_note,
)

NAME = "memoryguard/rerun"
SUFFIX = ".sig"
MAX_SIGNATURE_BYTES = 10_000


def write_list(document: dict[str, Any], out: Path, key: Ed25519PrivateKey) -> Path:
    """Write a list, then its signature; the signature's place.

    Raises
    ------
    Rejected
        ``no_such_folder``.
    """
    if not out.parent.is_dir():
        raise Rejected("no_such_folder", "the folder for the list does not exist")
    text = json.dumps(document, indent=1) + "\n"
    signature = out.with_name(out.name + SUFFIX)
    signature.unlink(missing_ok=True)  # of an older list: it would not fit this one
    out.write_bytes(text.encode())
    signature.write_text(sign_note(text, Signer(NAME, key))[len(text) + 1 :], encoding="utf-8")
    return signature


def check_list(place: Path, key: VerifierKey) -> dict[str, Any]:
    """Read a list whose signature, which lies beside it, is that of a key.

    Parameters
    ----------
    place
        The list.
    key
        The log's public key, under whatever name.

    Raises
    ------
    Rejected
        ``no_such_file``.
    Unverified
        ``malformed_note``, ``unknown_key``, ``bad_signature``.
    """
    try:
        content = place.read_bytes()
        with place.with_name(place.name + SUFFIX).open("rb") as file:
            lines = file.read(MAX_SIGNATURE_BYTES)
    except OSError as error:
        raise Rejected(
            "no_such_file", "the list or its signature is not there", f"both lie together: {SUFFIX}"
        ) from error
    try:
        text, signatures = content.decode(), parse_signatures(lines.decode())
    except UnicodeDecodeError as error:
        raise Unverified("malformed_note", "the list or its signature is not UTF-8") from error
    check_signatures(text, signatures, [VerifierKey(NAME, key.public_key)])
    return json.loads(text)
