# SPDX-License-Identifier: Apache-2.0
"""Reads which addresses a deployment has listed, and what is said at each to be let in."""

from __future__ import annotations

import json

from pydantic import SecretStr


def listed(addresses: str, authorizations: SecretStr) -> dict[str, str | None]:
    """Give the addresses of a setting, without a slash at the end, each with its authorization.

    Raises
    ------
    ValueError
        The authorizations are no JSON object, or name an address that is not listed.
    """
    bases = [base.strip().rstrip("/") for base in addresses.split(",") if base.strip()]
    secrets: dict[str, str] = json.loads(authorizations.get_secret_value() or "{}")
    if set(secrets) - set(bases):
        raise ValueError("an authorization for an address that is not listed")
    return {base: secrets.get(base) for base in bases}
