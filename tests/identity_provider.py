# SPDX-License-Identifier: Apache-2.0
"""A small OpenID provider, over real HTTP, that tests sign in at."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey
from yarl import URL

KEY = ECKey.generate_key("P-256", {"kid": "2026"})
CLIENT, SECRET = "memory guard", "not:so secret"
WHO = "f3b1-dora"


@dataclass
class IdentityProvider:
    """One client, one person who is signed in there already."""

    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: KEY)
    status: int = 200
    discovery: dict[str, Any] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.configuration)
        app.router.add_get("/keys", self.keys)
        app.router.add_get("/authorize", self.authorize)
        app.router.add_post("/token", self.token)
        return app

    async def configuration(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
        }
        return web.json_response(document | self.discovery)

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [dict(KEY.as_dict(private=False))]})

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert (asked["client_id"], asked["tenant"]) == (CLIENT, "1")
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        back = URL(asked["redirect_uri"]).update_query(code=code, state=asked["state"])
        raise web.HTTPFound(back)

    async def token(self, request: web.Request) -> web.Response:
        """Check code, client and verifier as RFC 6749 and RFC 7636 say."""
        if self.status != 200:
            return web.Response(status=self.status)
        form = dict(await request.post())
        asked = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        basic = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
        if (
            asked is None
            or challenge != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
            or basic != b"memory+guard:not%3Aso+secret"
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {
            "token_type": "Bearer",
            "access_token": self._signed("access_token", aud="memoryguard", roles=["clinician"]),
            "id_token": self._signed("id_token", aud=CLIENT, nonce=asked["nonce"]),
        }
        return web.json_response(answer)

    def _signed(self, kind: str, **claims: Any) -> str:
        said = {"iss": self.url, "sub": WHO, "exp": int(time.time()) + 60, **claims}
        said |= self.claims.get(kind, {})
        header = {"alg": "ES256", "kid": "2026"}
        return jwt.encode(header, said, self.key, algorithms=["ES256"])
