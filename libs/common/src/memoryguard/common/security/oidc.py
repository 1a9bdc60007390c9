# SPDX-License-Identifier: Apache-2.0
"""Who a bearer token speaks for: the local issuer's, or an OpenID provider's.

Nothing in a token decides how it is checked, but for the key id, which is looked up in the
provider's key set and nowhere else: ``jku``, ``x5u``, ``jwk`` and ``x5c`` are ignored.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from memoryguard.common.errors import Denied, Misconfigured
from memoryguard.common.runtime.settings import OidcSettings, PlatformSettings
from memoryguard.common.security.jwks import KEY_TYPES, Fetch, Jwks
from memoryguard.common.security.policy import ROLES, Principal
from memoryguard.common.security.tokens import (
    LEEWAY_S,
    TokenVerifier,
    invalid_token,
    principal_from,
)

TIMEOUT_S = 5.0
MAX_BODY_BYTES = 1 << 20
DISCOVERY = "/.well-known/openid-configuration"
NOT_FOUND = object()


class OidcVerifier:
    """Checks tokens of one OpenID provider."""

    def __init__(self, settings: OidcSettings, keys: Jwks) -> None:
        self._keys = keys
        self._roles_claim = settings.roles_claim
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Principal:
        """Read a token; Denied when it is not the provider's, not for us, or not valid now."""
        claims = await self.claims(token)
        listed = roles_in(claims, self._roles_claim)
        return principal_from(claims, ROLES.intersection(listed))

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Give what a token says once it is checked: signature, issuer, audience and time."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            algorithm, kid = header["alg"], header.get("kid")
            if algorithm not in KEY_TYPES or not isinstance(kid, str | None):
                raise invalid_token()
            key = await self._keys.find(kid, algorithm)
            if key is None:
                raise invalid_token()
            with warnings.catch_warnings():  # of EdDSA's new name; providers still use the old one
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise invalid_token() from error
        return claims


def roles_in(claims: Mapping[str, Any], path: str) -> list[str]:
    """Roles under a claim: of that very name, or else of the objects that its dots lead into."""
    found: Any = claims.get(path, NOT_FOUND)
    if found is NOT_FOUND:
        found = claims
        for name in path.split("."):
            found = cast("Any", found.get(name)) if isinstance(found, dict) else None
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


class Authority:
    """Takes tokens of the local issuer and, where one is configured, of an OpenID provider."""

    def __init__(self, local: TokenVerifier, provider: OidcVerifier | None = None) -> None:
        self._local = local
        self._provider = provider

    async def verify(self, token: str) -> Principal:
        """Read a token; Denied (``invalid_token``) when nobody we trust has signed it."""
        try:
            return self._local.verify(token)
        except Denied:
            if self._provider is None:
                raise
        return await self._provider.verify(token)


@asynccontextmanager
async def open_authority(settings: PlatformSettings) -> AsyncGenerator[Authority]:
    """Open what checks tokens; the provider is asked for its keys when the first token comes."""
    local = TokenVerifier(settings.token_public_key, settings.token_issuer)
    if not settings.oidc.issuer:
        yield Authority(local)
        return
    async with open_session(settings.oidc) as session:
        keys = Jwks(fetch_of(settings.oidc, session))
        try:
            yield Authority(local, OidcVerifier(settings.oidc, keys))
        finally:
            await keys.close()


def open_session(settings: OidcSettings) -> aiohttp.ClientSession:
    """Open what asks the provider: checked with its certificates, and never for long."""
    connector = aiohttp.TCPConnector(ssl=_trusted(settings))
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
    )


def fetch_of(settings: OidcSettings, session: aiohttp.ClientSession) -> Fetch:
    """Say how the provider's keys are had: from where the settings say, or by discovery."""

    async def fetch() -> bytes:
        if settings.jwks_file:
            return await asyncio.to_thread(settings.jwks_file.read_bytes)
        if settings.jwks_url:
            return await _get(session, settings.jwks_url)
        document = await discover(settings, session)
        return await _get(session, str(document.get("jwks_uri")))

    return fetch


async def discover(settings: OidcSettings, session: aiohttp.ClientSession) -> Mapping[str, Any]:
    """Ask the provider for its discovery document.

    Raises
    ------
    OSError, ValueError
        It is away; it gives no such document, or that of another issuer.
    """
    document: Any = json.loads(await _get(session, settings.issuer.rstrip("/") + DISCOVERY))
    if not isinstance(document, dict) or document.get("issuer") != settings.issuer:
        raise ValueError("the discovery document is another issuer's")
    return cast("Mapping[str, Any]", document)


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    """Get a small document, from exactly this address."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise OSError("the identity provider does not answer well")
            return await small_body(response)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError("the identity provider is away") from error


async def small_body(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer of the provider, which is never large; ValueError where it is."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("the identity provider's answer is too large")
    return bytes(body)


def _trusted(settings: OidcSettings) -> ssl.SSLContext | bool:
    """Certificates that the provider is checked with."""
    if settings.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            "bad_oidc_settings", "MEMORYGUARD_OIDC_CA_FILE holds no certificates"
        ) from error
