# SPDX-License-Identifier: Apache-2.0
"""Whose data a request brings, and whether the caller may act for them."""

from __future__ import annotations

from aiohttp import web

from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import concerns, principal_of


def account(request: web.Request, named: str | None) -> str:
    """Give the account that the data belongs to.

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
    concerns(request, user_id=user_id)
    if not principal.may_see(user_id):
        raise Denied("not_allowed", "you may not act for this account")
    return user_id
