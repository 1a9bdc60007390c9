# SPDX-License-Identifier: Apache-2.0
"""The keys of an identity provider: cached, and fetched again when a token names an unknown one.

A provider that is away changes nothing for keys that are known. Whoever invents key ids makes us
ask it once in ``MIN_INTERVAL_S`` at most. Keys that are not fetched again for long are refreshed
beside the requests, so that one the provider has withdrawn stops working.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from memoryguard.common.errors import Unavailable

logger = logging.getLogger(__name__)

Key: TypeAlias = RSAKey | ECKey | OKPKey
Fetch: TypeAlias = Callable[[], Awaitable[bytes]]

KEY_TYPES = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA",
    "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC",
    "Ed25519": "OKP", "EdDSA": "OKP",
}  # fmt: skip
"""Algorithms that are taken, with the type of key each needs. No secret is ever shared: no HMAC."""
ED25519 = ("Ed25519", "EdDSA")  # the new and the old name of one
MIN_RSA_BITS = 2048
MIN_INTERVAL_S = 30.0
MAX_AGE_S = 3600.0


class Jwks:
    """A JSON Web Key Set that somebody else may change at any time.

    Parameters
    ----------
    fetch
        Gives the set's JSON; OSError (or a subclass) when it cannot be had.
    clock
        Seconds, never going back.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[Key] = ()
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Find the key that a token names; without a name, the only one that fits.

        Raises
        ------
        Unavailable
            ``identity_provider_away``: there are no keys at all yet.
        """
        found = self._known(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._known(kid, algorithm)
        elif self._clock() - self._fetched > MAX_AGE_S:
            self._refresh_soon()
        if not self._keys:
            raise Unavailable("identity_provider_away", "the identity provider's keys are away")
        return found

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        named = fitting if kid is None else [key for key in fitting if key.kid == kid]
        return named[0] if len(named) == 1 else None

    def _refresh_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; what is known stays on failure."""
        async with self._lock:
            if self._clock() - self._tried < MIN_INTERVAL_S:
                return
            self._tried = self._clock()
            try:
                self._keys = read_keys(await self._fetch())
            except (OSError, ValueError, RecursionError):
                logger.warning("keys of the identity provider not fetched")
            else:
                self._fetched = self._clock()


def read_keys(body: bytes) -> list[Key]:
    """Read a key set: its asymmetric keys for signatures; others are passed over.

    Raises
    ------
    ValueError
        It is no key set, or has no key that we can use.
    """
    document: Any = json.loads(body)
    listed: Any = document.get("keys") if isinstance(document, dict) else None
    found = [key for each in listed or () if (key := _key(each)) is not None]
    if not found:
        raise ValueError("no usable key")
    return found


def _key(document: Any) -> Key | None:
    if not isinstance(document, dict) or document.get("kty") not in KEY_TYPES.values():
        return None
    try:
        with warnings.catch_warnings():  # of short keys; we refuse them
            warnings.simplefilter("ignore", SecurityWarning)
            key = cast("Key", JWKRegistry.import_key(cast("dict[str, Any]", document)))
        return None if isinstance(key, RSAKey) and _bits(key) < MIN_RSA_BITS else key
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(key: RSAKey) -> int:
    return key.public_key.key_size


def _fits(key: Key, algorithm: str) -> bool:
    """Whether a key is meant for checking signatures made with this algorithm."""
    said = key.get("alg")
    same = said in (None, algorithm) or (said in ED25519 and algorithm in ED25519)
    operations = key.get("key_ops")
    return (
        key.key_type == KEY_TYPES[algorithm]
        and same
        and key.get("use") in (None, "sig")
        and (operations is None or "verify" in operations)
    )
