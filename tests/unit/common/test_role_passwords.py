# SPDX-License-Identifier: Apache-2.0
"""What PostgreSQL is sent instead of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from memoryguard.common.errors import Misconfigured
from memoryguard.common.runtime.database import scram_verifier

# The example of RFC 7677, section 3: user "user", password "pencil", 4096 iterations.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
MESSAGE = (
    f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}"
).encode()


def test_the_verifier_proves_the_exchange_of_the_rfc() -> None:
    method, _, keys = scram_verifier("pencil", SALT).split("$", 2)
    assert method == "SCRAM-SHA-256"
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert hmac.digest(server, MESSAGE, "sha256") == SERVER_SIGNATURE
    signature = hmac.digest(stored, MESSAGE, "sha256")
    client_key = bytes(a ^ b for a, b in zip(CLIENT_PROOF, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored


def test_the_salt_is_new_each_time_and_the_password_is_nowhere() -> None:
    first, second = scram_verifier("pencil"), scram_verifier("pencil")
    assert first != second
    assert "pencil" not in first + second


@pytest.mark.parametrize("password", ["", "é", "a\nb"])
def test_other_passwords_are_refused(password: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        scram_verifier(password)
    assert refused.value.code == "bad_role_passwords"
    assert not password or password not in str(refused.value)
