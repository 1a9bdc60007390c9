# SPDX-License-Identifier: Apache-2.0
"""Whose data a request brings, and whether the caller may act for them."""

from __future__ import annotations

from aiohttp import web

from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.security.keyring import VaultKey


def account(request: web.Request, named: str | None, vault: VaultKey) -> str:
    """Give the account that the data belongs to, and tell whose it is for the access event.

    Raises
    ------
    Rejected
        ``no_user``: nobody is named, and the caller is no patient.
    Denied
        ``not_allowed``.
    """
    principal = principal_of(request)
    if named is None and "patient" not in principal.roles:
        raise Rejected("no_user", "whose scan is it?", "give the form field user_id")
    user_id = named or principal.user_id
    basis = principal.sees_by(user_id)
    subject_id = vault.user_subject_id(user_id)
    concerns(request, subject_id=subject_id, user_id=user_id, basis=basis)
    if basis is None:
        raise Denied("not_allowed", "you may not act for this account")
    return user_id
