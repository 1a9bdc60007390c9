# SPDX-License-Identifier: Apache-2.0
"""The OpenID provider as a browser's sign-in needs it: authorization code flow with PKCE.

Its tokens are checked like every other (`memoryguard.common.security.oidc`): the access token by
whatever checks bearer tokens here, the ID token as one for this client and this very sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, cast
from urllib.parse import quote_plus

import aiohttp
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from yarl import URL

from memoryguard.api.settings import ApiSettings
from memoryguard.common.errors import Denied, Misconfigured, Unavailable
from memoryguard.common.runtime.settings import OidcSettings
from memoryguard.common.security.jwks import Jwks
from memoryguard.common.security.oidc import (
    OidcVerifier,
    discover,
    fetch_of,
    open_session,
    small_body,
)

CALLBACK = "/sign-in/callback"


class SignInFailed(Denied):
    """Somebody came back from the provider, and is not signed in."""

    http_status = 400


def failed(code: str, message: str) -> SignInFailed:
    """Make a refusal; whoever reads it begins again."""
    return SignInFailed(code, message, "sign in again")


class Flow:
    """One sign-in: what binds its way back to the browser that began it.

    All of it is derived from a code that only this browser has, as a cookie; none of it tells the
    code, and the provider learns neither the code nor the verifier before the end.
    """

    def __init__(self, code: str) -> None:
        self.state = _derived(code, "state")
        self.nonce = _derived(code, "nonce")
        self.verifier = _derived(code, "verifier")

    @property
    def challenge(self) -> str:
        """S256 challenge of the verifier (RFC 7636, section 4.2)."""
        return _base64url(hashlib.sha256(self.verifier.encode()).digest())


class Provider:
    """One OpenID provider, at which this platform is a client."""

    def __init__(
        self, oidc: OidcSettings, settings: ApiSettings, session: aiohttp.ClientSession, keys: Jwks
    ) -> None:
        self._oidc = oidc
        self._settings = settings
        self._session = session
        ours = oidc.model_copy(update={"audience": settings.oidc_client_id})
        self._id_tokens = OidcVerifier(ours, keys)

    @property
    def issuer(self) -> str:
        """Its name."""
        return self._oidc.issuer

    async def address(self, flow: Flow) -> str:
        """Give the address at which a browser signs in.

        Raises
        ------
        Unavailable
            ``identity_provider_away``.
        """
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._settings.oidc_redirect_url,
            "scope": self._settings.oidc_scope,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        return str((await self._endpoint("authorization_endpoint")).extend_query(query))

    async def exchange(self, code: str, flow: Flow) -> tuple[str, str]:
        """Exchange what a browser came back with for its access token; and whose it is.

        Whether the access token is for us is not checked here.

        Raises
        ------
        SignInFailed
            ``sign_in_refused``, ``wrong_nonce``.
        Denied
            ``invalid_token``: the ID token is not for this client, or not valid now.
        Unavailable
            ``identity_provider_away``.
        """
        answer = await self._ask_for_tokens(code, flow)
        access, identity = answer.get("access_token"), answer.get("id_token")
        if not isinstance(access, str) or not isinstance(identity, str):
            raise failed("sign_in_refused", "the identity provider gave no token")
        claims = await self._id_tokens.claims(identity)
        if claims.get("nonce") != flow.nonce:
            raise failed("wrong_nonce", "the answer belongs to another sign-in")
        if claims.get("azp", self._settings.oidc_client_id) != self._settings.oidc_client_id:
            raise failed("sign_in_refused", "the answer was made for another client")
        return access, str(claims.get("sub"))

    async def _ask_for_tokens(self, code: str, flow: Flow) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.oidc_redirect_url,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": flow.verifier,
        }
        endpoint = await self._endpoint("token_endpoint")
        try:
            async with self._session.post(
                endpoint, data=form, headers=self._secret(), allow_redirects=False
            ) as response:
                if 400 <= response.status < 500:
                    raise failed("sign_in_refused", "the identity provider takes this code no more")
                answer = json.loads(await small_body(response))
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise _away() from error
        return cast("Mapping[str, Any]", answer) if isinstance(answer, dict) else {}

    def _secret(self) -> dict[str, str]:
        """Authenticate this client (RFC 6749, section 2.3.1: both parts are form-encoded)."""
        secret = self._settings.oidc_client_secret
        if secret is None:
            return {}
        parts = (self._settings.oidc_client_id, secret.get_secret_value())
        basic = ":".join(quote_plus(part) for part in parts)
        return {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}

    async def _endpoint(self, name: str) -> URL:
        try:
            document = await discover(self._oidc, self._session)
            address = URL(str(document.get(name)))
            if not address.is_absolute():
                raise ValueError("no such endpoint")
        except (OSError, ValueError, RecursionError) as error:
            raise _away() from error
        return address


async def open_provider(
    oidc: OidcSettings, settings: ApiSettings, stack: AsyncExitStack
) -> Provider | None:
    """Open the provider that the settings name, None where browsers do not sign in there.

    Raises
    ------
    Misconfigured
        ``bad_oidc_settings``.
    """
    if not settings.oidc_client_id:
        return None
    if not oidc.issuer:
        raise _misconfigured("MEMORYGUARD_OIDC_ISSUER is missing")
    if not settings.oidc_redirect_url.endswith(CALLBACK):
        raise _misconfigured(f"MEMORYGUARD_API_OIDC_REDIRECT_URL does not end with {CALLBACK}")
    if "openid" not in settings.oidc_scope.split():
        raise _misconfigured("MEMORYGUARD_API_OIDC_SCOPE lacks openid")
    session = await stack.enter_async_context(open_session(oidc))
    keys = Jwks(fetch_of(oidc, session))
    stack.push_async_callback(keys.close)
    return Provider(oidc, settings, session, keys)


def _misconfigured(message: str) -> Misconfigured:
    return Misconfigured("bad_oidc_settings", message, "docs/CONFIG.md lists every setting")


def _away() -> Unavailable:
    return Unavailable("identity_provider_away", "the identity provider does not answer well")


def _derived(code: str, use: str) -> str:
    info = f"memoryguard sign-in {use} v1".encode()
    return _base64url(HKDF(SHA256(), length=32, salt=None, info=info).derive(code.encode()))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
