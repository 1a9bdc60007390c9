# SPDX-License-Identifier: Apache-2.0
"""Who may see a scan, and the grants by which a person lets somebody see theirs.

Somebody who may not see a scan gets the same answer as for a scan that does not exist, and the
look is recorded as denied.
"""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from memoryguard.api import scans
from memoryguard.api.body import read_object
from memoryguard.api.scans import Scan
from memoryguard.common.contracts.events import AccessGranted, AccessRevoked
from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Policy, Principal, Role

EVERYBODY: frozenset[Role] = frozenset(get_args(Role))
MAX_ID = 100


class Hidden(Denied):
    """Not there, or not for you: the answer does not tell which."""

    http_status = 404


def hidden() -> Hidden:
    """Make the one answer for "not there" and "not yours"."""
    return Hidden("not_found", "there is nothing here for you to see", "check the address")


def is_id(text: str) -> bool:
    """Whether a text can be an id at all; PostgreSQL stores no NUL and no half characters."""
    return 0 < len(text) <= MAX_ID and text.isprintable()


async def visible_scan(platform: Platform, request: web.Request) -> Scan:
    """Find the scan that the path names, if the caller may see it.

    Raises
    ------
    Hidden
        ``not_found``.
    """
    imaging_id = request.match_info["imaging_id"]
    scan = await scans.find(platform.pool, imaging_id) if is_id(imaging_id) else None
    if scan is None:
        raise hidden()
    concerns(request, subject_id=scan.subject_id, scan_id=scan.scan_id, user_id=scan.user_id)
    if not await may_see(platform, principal_of(request), scan.user_id):
        raise hidden()
    return scan


async def may_see(platform: Platform, principal: Principal, user_id: str | None) -> bool:
    """Whether a caller may see an account's data, grants included."""
    if principal.may_see(user_id):
        return True
    granted = await scans.is_granted(platform.pool, user_id, principal.user_id)
    return principal.may_see(user_id, granted)


def routes(platform: Platform) -> list[Route]:
    """Give and take back access to one's own results."""

    async def grant(request: web.Request) -> web.Response:
        return await _change(platform, request, await _grantee_in_body(request), granted=True)

    async def revoke(request: web.Request) -> web.Response:
        return await _change(platform, request, request.match_info["grantee_id"], granted=False)

    async def listed(request: web.Request) -> web.Response:
        user_id = principal_of(request).user_id
        concerns(request, subject_id=platform.vault.user_subject_id(user_id), user_id=user_id)
        grantees = await scans.grants_of(platform.pool, user_id)
        return web.json_response({"items": [{"grantee_id": grantee} for grantee in grantees]})

    patient: frozenset[Role] = frozenset({"patient"})
    path = "/api/v1/access/grants"
    return [
        Route("GET", path, listed, Policy("access.list", patient)),
        Route("POST", path, grant, Policy("access.grant", patient)),
        Route("DELETE", path + "/{grantee_id}", revoke, Policy("access.revoke", patient)),
    ]


async def _grantee_in_body(request: web.Request) -> str:
    grantee_id = (await read_object(request)).get("grantee_id")
    if not isinstance(grantee_id, str):
        raise _bad_grantee()
    return grantee_id


def _bad_grantee() -> Rejected:
    return Rejected(
        "bad_grantee", "grantee_id is not an account", 'send {"grantee_id": "<account>"}'
    )


async def _change(
    platform: Platform, request: web.Request, grantee_id: str, *, granted: bool
) -> web.Response:
    """Say it on the bus; what may be seen follows from that event, for us as for everybody."""
    user_id = principal_of(request).user_id
    subject_id = platform.vault.user_subject_id(user_id)
    concerns(request, subject_id=subject_id, user_id=user_id)
    if not is_id(grantee_id):
        raise _bad_grantee()
    if grantee_id == user_id:
        raise Rejected("own_account", "your own results are yours anyway")
    kind = AccessGranted if granted else AccessRevoked
    fact = kind(subject_id=subject_id, user_id=user_id, grantee_id=grantee_id, actor_id=user_id)
    await platform.say(fact)
    document = {"user_id": user_id, "grantee_id": grantee_id, "granted": granted}
    return web.json_response(document, status=202)
