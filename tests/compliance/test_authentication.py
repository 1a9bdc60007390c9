# SPDX-License-Identifier: Apache-2.0
"""45 CFR 164.312(d): a caller is who the token says, since nobody else could have signed it."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from memoryguard.common.errors import Denied
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.security.jwks import Jwks
from memoryguard.common.security.oidc import Authority, OidcVerifier
from memoryguard.common.security.tokens import TokenVerifier, generate_key_pair

LOCAL, PROVIDER = "memoryguard-local", "https://idp.example"
PRIVATE, PUBLIC = generate_key_pair()
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
OWN = ECKey.generate_key("P-256", {"kid": "rsa"})
GOOD = {"iss": PROVIDER, "aud": "memoryguard", "sub": "dora", "exp": 0, "roles": ["clinician"]}

Verify = Callable[[str], Awaitable[Any]]


def claims(**changes: Any) -> dict[str, Any]:
    return GOOD | {"exp": int(time.time()) + 60} | changes


def signed(key: Any, algorithm: str, jwk: ECKey | None = None, **changes: Any) -> str:
    header = {"alg": algorithm, "kid": "rsa"}
    header |= {"jwk": jwk.as_dict(private=False)} if jwk else {}
    return jwt.encode(header, claims(**changes), key, algorithms=[algorithm])


def unsigned(algorithm: str, key: bytes = b"") -> str:
    """A token without a signature, or signed with a public key as if it were a secret."""
    parts = [{"alg": algorithm, "kid": "rsa"}, claims()]
    body = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    mac = urlsafe_b64encode(hmac.digest(key, body.encode(), "sha256")).decode() if key else ""
    return f"{body}.{mac}"


def forgeries() -> Iterator[tuple[str, str]]:
    """Tokens that somebody could make who has none of the private keys, or an old token."""
    yield "no signature", unsigned("none")
    yield "the public key as a secret", unsigned("HS256", RSA.as_pem(private=False))
    yield "somebody's own key", signed(RSAKey.generate_key(2048), "RS256")
    yield "somebody's own key, brought along", signed(OWN, "ES256", jwk=OWN)
    yield "over", signed(RSA, "RS256", exp=int(time.time()) - 60)
    yield "for another service", signed(RSA, "RS256", aud="somebody-else")
    yield "of another issuer", signed(RSA, "RS256", iss="https://evil.example")
    yield "of the local issuer, by the provider", signed(RSA, "RS256", iss=LOCAL)


async def no_forgery_is_taken(verify: Verify) -> None:
    assert (await verify(signed(RSA, "RS256"))).user_id == "dora"
    local = jwt.encode(
        {"alg": "Ed25519"}, claims(iss=LOCAL), OKPKey.import_key(PRIVATE), algorithms=["Ed25519"]
    )
    assert (await verify(local)).user_id == "dora"
    taken = [name for name, token in forgeries() if await _taken(verify, token)]
    assert not taken, f"taken: {'; '.join(taken)}"


async def _taken(verify: Verify, token: str) -> bool:
    try:
        await verify(token)
    except Denied:
        return False
    return True


async def keys() -> bytes:
    return json.dumps({"keys": [dict(RSA.as_dict(private=False))]}).encode()


@pytest.mark.control("164.312(d)", "tokens")
async def test_no_forgery_is_taken() -> None:
    provider = OidcVerifier(OidcSettings(issuer=PROVIDER), Jwks(keys))
    await no_forgery_is_taken(Authority(TokenVerifier(PUBLIC.decode(), LOCAL), provider).verify)


class Named:
    """Who a careless verifier says it is."""

    def __init__(self, claims: Any) -> None:
        self.user_id = claims["sub"]


async def obeys_the_header(token: str) -> Named:
    """Checks claims, and the signature as the token itself asks for: its algorithm, its key."""
    head, body, signature = token.split(".")
    header = json.loads(urlsafe_b64decode(head.encode()))
    algorithm, brought = header["alg"], header.get("jwk")
    found = json.loads(urlsafe_b64decode(body.encode()))
    secret = RSA.as_pem(private=False)
    mac = urlsafe_b64encode(hmac.digest(secret, f"{head}.{body}".encode(), "sha256")).decode()
    fine = {
        "none": lambda: True,
        "HS256": lambda: mac == signature,
        "RS256": lambda: _sound(token, RSA, algorithm),
        "ES256": lambda: _sound(token, ECKey.import_key(brought), algorithm),
        "Ed25519": lambda: _sound(token, OKPKey.import_key(PUBLIC), algorithm),
    }
    known = found["aud"] == "memoryguard" and found["iss"] in (LOCAL, PROVIDER)
    if not fine[algorithm]() or not known or found["exp"] < time.time():
        raise Denied("invalid_token", "no")
    return Named(found)


def _sound(token: str, key: Any, algorithm: str) -> bool:
    try:
        jwt.decode(token, key, algorithms=[algorithm])
    except JoseError:
        return False
    return True


async def looks_at_no_claim(token: str) -> Named:
    """Checks the signature alone."""
    for key, algorithm in ((RSA, "RS256"), (OKPKey.import_key(PUBLIC), "Ed25519")):
        if _sound(token, key, algorithm):
            return Named(jwt.decode(token, key, algorithms=[algorithm]).claims)
    raise Denied("invalid_token", "no")


@pytest.mark.control("164.312(d)", "tokens", off="a verifier that obeys the token's header")
async def test_a_verifier_that_obeys_the_header_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"no signature; the public key.*brought along"):
        await no_forgery_is_taken(obeys_the_header)


@pytest.mark.control("164.312(d)", "tokens", off="a verifier that looks at no claim")
async def test_a_verifier_that_looks_at_no_claim_is_noticed() -> None:
    with pytest.raises(AssertionError, match="over; for another service; of another issuer"):
        await no_forgery_is_taken(looks_at_no_claim)
