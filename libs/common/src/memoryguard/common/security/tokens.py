# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: short-lived JWTs signed with Ed25519 by a local issuer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from memoryguard.common.errors import Denied, Misconfigured
from memoryguard.common.security.policy import Principal

ALGORITHMS = ["Ed25519"]
AUDIENCE = "memoryguard"
LEEWAY_S = 5


class TokenIssuer:
    """Signs tokens with a private key."""

    def __init__(self, private_pem: bytes, issuer: str) -> None:
        self._key = OKPKey.import_key(private_pem)
        self._issuer = issuer

    def issue(self, user_id: str, roles: Iterable[str], lifetime_s: int = 3600) -> str:
        """Sign a token for an account."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": user_id,
            "roles": sorted(roles),
            "iat": now,
            "exp": now + lifetime_s,
        }
        return jwt.encode({"alg": ALGORITHMS[0]}, claims, self._key, algorithms=ALGORITHMS)


class TokenVerifier:
    """Checks tokens against the issuer's public key; nothing but Ed25519 is accepted."""

    def __init__(self, public_pem: str, issuer: str) -> None:
        try:
            self._key = OKPKey.import_key(public_pem)
        except (ValueError, JoseError) as error:
            raise Misconfigured(
                "bad_token_key", "MEMORYGUARD_TOKEN_PUBLIC_KEY is no key"
            ) from error
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            exp={"essential": True},
        )

    def verify(self, token: str) -> Principal:
        """Read a token; Denied when it is not one of ours or has run out."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=ALGORITHMS)
            self._claims.validate(decoded.claims)
            roles = frozenset(str(role) for role in decoded.claims.get("roles", []))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise invalid_token() from error
        return principal_from(decoded.claims, roles)


def principal_from(claims: Mapping[str, Any], roles: frozenset[str]) -> Principal:
    """Make the principal of checked claims: every caller is a named account, nobody shares one.

    Raises
    ------
    Denied
        ``invalid_token``: the subject is no account's name.
    """
    user_id = claims.get("sub")
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 100 or not user_id.isprintable():
        raise invalid_token()
    return Principal(user_id, roles)


def invalid_token() -> Denied:
    """Make the one answer to a token that is not taken; it does not tell why."""
    return Denied(
        "invalid_token", "the bearer token is missing, wrong or has run out", "memoryguard token"
    )


def generate_key_pair() -> tuple[bytes, bytes]:
    """Make an Ed25519 key pair: private and public PEM."""
    private = Ed25519PrivateKey.generate()
    return (
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
