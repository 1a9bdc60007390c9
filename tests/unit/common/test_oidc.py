# SPDX-License-Identifier: Apache-2.0
"""Tokens of an OpenID provider, against a real HTTP server with its keys."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import warnings
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64encode

from memoryguard.common.errors import Denied, Misconfigured, Unavailable
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.security.jwks import MAX_AGE_S, MIN_INTERVAL_S, Jwks
from memoryguard.common.security.oidc import (
    MAX_BODY_BYTES,
    Authority,
    OidcVerifier,
    fetch_of,
    open_authority,
    roles_in,
)
from memoryguard.common.security.tokens import TokenVerifier, generate_key_pair
from memoryguard.common.testing.settings import folder_settings

Key = RSAKey | ECKey | OKPKey
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


@dataclass
class Provider:
    """An identity provider: its keys, how often it was asked, and whether it is there."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    away: bool = False
    body: bytes | None = None

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.away:
            raise web.HTTPServiceUnavailable
        if request.path.endswith("openid-configuration"):
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            return web.json_response(document)
        return web.Response(body=self.body or json.dumps({"keys": self.keys}).encode())

    def has(self, *keys: Key) -> None:
        self.keys = [dict(key.as_dict(private=False)) for key in keys]

    def settings(self, **changes: Any) -> OidcSettings:
        return OidcSettings(issuer=self.url, roles_claim="realm_access.roles").model_copy(
            update=changes
        )

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": ["other", "memoryguard"], "sub": "f:1:anna", "exp": now + 60,
            "iat": now, "nbf": now, "realm_access": {"roles": ["patient", "offline_access"]},
        } | changes  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Key | None = None, header: Any = None, **claims: Any) -> str:
        key = key or RSA
        names = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}
        head = {"alg": names[key.key_type], "kid": key.kid} | (header or {})
        return jwt.encode(head, self.claims(**claims), key, algorithms=[head["alg"]])


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def provider() -> AsyncGenerator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.serve)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("")).rstrip("/")
        provider.has(RSA, EC, ED)
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def verifier(provider: Provider, clock: Clock) -> AsyncGenerator[OidcVerifier]:
    async with aiohttp.ClientSession() as session:
        keys = Jwks(fetch_of(provider.settings(), session), clock)
        yield OidcVerifier(provider.settings(), keys)
        await keys.close()


async def refused(verifier: OidcVerifier | Authority, token: str) -> None:
    with pytest.raises(Denied, match="invalid_token"):
        await verifier.verify(token)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS256"), (RSA, "RS512"), (EC, "ES256"), (ED, "Ed25519")],
)
async def test_a_good_token_names_account_and_roles(
    provider: Provider, verifier: OidcVerifier, key: Key, algorithm: str
) -> None:
    principal = await verifier.verify(provider.token(key, {"alg": algorithm}))
    assert principal.user_id == "f:1:anna"
    assert principal.roles == {"patient"}, "roles of others mean nothing here"
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_the_old_name_of_ed25519_is_taken(provider: Provider, verifier: OidcVerifier) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of joserfc, while we sign
        token = provider.token(ED, {"alg": "EdDSA"})
    assert (await verifier.verify(token)).user_id == "f:1:anna"


@pytest.mark.control("164.312(d)", "tokens")
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("1e12"), "nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"aud": "somebody-else"},
        {"aud": None},
        {"aud": [["memoryguard"]]},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\0b"},
        {"sub": "a" * 101},
    ],
)
async def test_wrong_claims_are_refused(
    provider: Provider, verifier: OidcVerifier, claims: dict[str, Any]
) -> None:
    await verifier.verify(provider.token())
    await refused(verifier, provider.token(**claims))


@pytest.mark.control("164.312(d)", "tokens")
async def test_no_algorithm_and_the_public_key_as_a_secret_are_refused(
    provider: Provider, verifier: OidcVerifier
) -> None:
    await verifier.verify(provider.token())
    body = urlsafe_b64encode(json.dumps(provider.claims()).encode()).decode()
    for header in ({"alg": "none"}, {"alg": "none", "kid": "rsa"}, {"alg": "None", "kid": "rsa"}):
        head = urlsafe_b64encode(json.dumps(header).encode()).decode()
        await refused(verifier, f"{head}.{body}.")
    head = urlsafe_b64encode(b'{"alg": "HS256", "kid": "rsa"}').decode()
    for secret in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode()):
        mac = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
        await refused(verifier, f"{head}.{body}.{urlsafe_b64encode(mac).decode()}")
    for text in ("", "a", "a.b", "a.b.c", "a.b.c.d.e", "\0", "é.é.é"):
        await refused(verifier, text)


@pytest.mark.control("164.312(d)", "tokens")
async def test_a_token_brings_no_key_along(provider: Provider, verifier: OidcVerifier) -> None:
    """``jwk``, ``jku`` and ``x5u`` change nothing: a forger's key stays a forger's."""
    forger = ECKey.generate_key("P-256", {"kid": "ec"})
    evil = f"{provider.url}/evil"
    for header in (
        {},
        {"jwk": forger.as_dict(private=False)},
        {"jku": evil},
        {"x5u": evil},
        {"x5c": ["AAAA"]},
        {"jwk": forger.as_dict(private=False), "kid": "new"},
    ):
        await refused(verifier, provider.token(forger, header))
    assert set(provider.asked) <= {"/.well-known/openid-configuration", "/keys"}
    # A sound signature with such a header is a sound signature still, or is refused: never asked.
    assert (await verifier.verify(provider.token(EC, {"jku": evil}))).user_id == "f:1:anna"
    assert evil not in provider.asked


@pytest.mark.control("164.312(d)", "tokens")
@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "/dev/null", "' or 1=1 --", "http://evil.example/k", "a" * 300, ""]
)
async def test_a_key_id_is_only_ever_looked_up(
    provider: Provider, verifier: OidcVerifier, kid: str
) -> None:
    await refused(verifier, provider.token(EC, {"kid": kid}))
    assert set(provider.asked) <= {"/.well-known/openid-configuration", "/keys"}


@pytest.mark.control("164.312(d)", "tokens")
async def test_a_key_is_for_its_own_algorithm_and_use(
    provider: Provider, verifier: OidcVerifier
) -> None:
    public = dict(RSA.as_dict(private=False))
    weak = {"kty": "RSA", "e": "AQAB", "kid": "weak", "n": "AQ" * 80}
    provider.keys = [
        public | {"kid": "enc", "use": "enc"},
        public | {"kid": "ps", "alg": "PS256"},
        public | {"kid": "ops", "key_ops": ["encrypt"]},
        {"kty": "oct", "k": "AAAA", "kid": "oct"},
        {"kty": "RSA", "kid": "half"},
        weak,
        "no key",  # type: ignore[list-item]
        public | {"kid": "good", "use": "sig", "alg": "RS256", "key_ops": ["verify"]},
    ]
    for kid in ("enc", "ps", "ops", "oct", "half", "weak"):
        await refused(verifier, provider.token(RSA, {"kid": kid}))
    await verifier.verify(provider.token(RSA, {"kid": "good"}))
    await refused(verifier, provider.token(EC, {"kid": "good"}))


async def test_a_token_without_key_id_needs_the_only_key(
    provider: Provider, verifier: OidcVerifier, clock: Clock
) -> None:
    claims = provider.claims()
    token = jwt.encode({"alg": "RS256"}, claims, RSA, algorithms=["RS256"])
    assert (await verifier.verify(token)).user_id == "f:1:anna"
    provider.has(RSA, RSAKey.generate_key(2048, {"kid": "second"}))
    clock.now += MIN_INTERVAL_S + 1
    await refused(verifier, provider.token(ED, {"kid": "unknown"}))  # has the keys fetched
    await refused(verifier, token)


async def test_new_keys_are_found_and_old_ones_forgotten(
    provider: Provider, verifier: OidcVerifier, clock: Clock
) -> None:
    provider.has(RSA)
    await verifier.verify(provider.token())
    provider.has(EC)
    await refused(verifier, provider.token(EC))  # just asked: not again at once
    clock.now += MIN_INTERVAL_S + 1
    await verifier.verify(provider.token(EC))
    await refused(verifier, provider.token())


async def test_invented_key_ids_ask_the_provider_once_in_a_while(
    provider: Provider, verifier: OidcVerifier, clock: Clock
) -> None:
    await verifier.verify(provider.token())
    clock.now += MIN_INTERVAL_S + 1
    asked = len(provider.asked)
    tokens = [provider.token(EC, {"kid": f"invented-{n}"}) for n in range(50)]
    await asyncio.gather(*(refused(verifier, token) for token in tokens))
    assert len(provider.asked) == asked + 2  # discovery and keys, once


async def test_a_provider_that_is_away_changes_nothing_for_known_keys(
    provider: Provider, verifier: OidcVerifier, clock: Clock
) -> None:
    await verifier.verify(provider.token())
    provider.away = True
    for _ in range(3):
        clock.now += MAX_AGE_S + 1
        await verifier.verify(provider.token())
        await refused(verifier, provider.token(EC, {"kid": "unknown"}))
    provider.away, provider.body = False, b"<html>maintenance</html>"
    clock.now += MIN_INTERVAL_S + 1
    await refused(verifier, provider.token(EC, {"kid": "unknown"}))
    await verifier.verify(provider.token())


async def test_a_withdrawn_key_stops_working_though_nobody_asks_for_a_new_one(
    provider: Provider, verifier: OidcVerifier, clock: Clock
) -> None:
    await verifier.verify(provider.token())
    provider.has(EC)
    clock.now += MAX_AGE_S + 1
    deadline = time.monotonic() + 10
    with pytest.raises(Denied, match="invalid_token"):
        while time.monotonic() < deadline:
            await verifier.verify(provider.token())
            await asyncio.sleep(0)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": []}', b"x" * (MAX_BODY_BYTES + 1)])
async def test_without_any_key_it_is_unavailable_and_not_refused(
    provider: Provider, verifier: OidcVerifier, clock: Clock, body: bytes
) -> None:
    provider.body = body or None
    provider.away = not body
    with pytest.raises(Unavailable, match="identity_provider_away"):
        await verifier.verify(provider.token())
    provider.away, provider.body = False, None
    clock.now += MIN_INTERVAL_S + 1
    await verifier.verify(provider.token())


async def test_another_issuers_discovery_document_is_not_followed(
    provider: Provider, clock: Clock
) -> None:
    settings = provider.settings(issuer=f"{provider.url}/realms/other")
    async with aiohttp.ClientSession() as session:
        other = OidcVerifier(settings, Jwks(fetch_of(settings, session), clock))
        with pytest.raises(Unavailable):
            await other.verify(provider.token(iss=settings.issuer))
    assert "/keys" not in provider.asked


@pytest.mark.control("164.312(d)", "tokens")
async def test_both_issuers_are_taken_side_by_side(provider: Provider, tmp_path: Path) -> None:
    settings, issuer = folder_settings(tmp_path, "postgresql://nowhere")
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [dict(RSA.as_dict(private=False))]}))
    for oidc in (provider.settings(), provider.settings(jwks_url=f"{provider.url}/keys")):
        async with open_authority(settings.model_copy(update={"oidc": oidc})) as authority:
            assert (await authority.verify(issuer.issue("berta", ["admin"]))).roles == {"admin"}
            assert (await authority.verify(provider.token())).user_id == "f:1:anna"
            await refused(authority, provider.token(iss=settings.token_issuer))
    asked = len(provider.asked)
    from_file = settings.model_copy(update={"oidc": provider.settings(jwks_file=keys)})
    async with open_authority(from_file) as authority:
        assert (await authority.verify(provider.token())).user_id == "f:1:anna"
    assert len(provider.asked) == asked
    async with open_authority(settings) as authority:
        await refused(authority, provider.token())


async def test_the_local_issuers_key_signs_for_nobody_else(provider: Provider) -> None:
    private, public = generate_key_pair()
    key = OKPKey.import_key(private, {"kid": "local"})
    authority = Authority(TokenVerifier(public.decode(), "memoryguard-local"))
    await refused(authority, provider.token(key, iss="somebody"))
    token = provider.token(key, iss="memoryguard-local")
    assert (await authority.verify(token)).user_id == "f:1:anna"


async def test_certificates_that_are_none_are_said_at_the_start(tmp_path: Path) -> None:
    settings, _ = folder_settings(tmp_path, "postgresql://nowhere")
    (tmp_path / "ca.pem").write_text("no certificate")
    oidc = OidcSettings(issuer="https://idp.example", ca_file=tmp_path / "ca.pem")
    with pytest.raises(Misconfigured, match="bad_oidc_settings"):
        async with open_authority(settings.model_copy(update={"oidc": oidc})):
            pass


@pytest.mark.parametrize(
    ("claims", "path", "roles"),
    [
        ({"roles": ["admin"]}, "roles", ["admin"]),
        ({"https://x.example/roles": ["admin"]}, "https://x.example/roles", ["admin"]),
        ({"a": {"b": {"c": ["admin", 5, None]}}}, "a.b.c", ["admin"]),
        ({"roles": "admin"}, "roles", []),
        ({"roles": {"admin": True}}, "roles", []),
        ({"a": 5}, "a.b", []),
        ({}, "a.b", []),
    ],
)
def test_roles_are_a_list_of_texts(claims: dict[str, Any], path: str, roles: list[str]) -> None:
    assert roles_in(claims, path) == roles
