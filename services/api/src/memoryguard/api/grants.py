# SPDX-License-Identifier: Apache-2.0
"""Routes by which people let others see their data, take it back, and break the glass."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime, timedelta

from aiohttp import web
from prometheus_client import Counter

from memoryguard.api import consent, described, override
from memoryguard.api.access import GRANTEES, Access, hidden, is_id
from memoryguard.api.bodies import Acceptance, Emergency, Offer
from memoryguard.api.settings import ApiSettings
from memoryguard.common.contracts.events import Basis
from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.body import read_model
from memoryguard.common.http.conditional import answer_json
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy, Role

logger = logging.getLogger(__name__)

OVERRIDES = Counter("memoryguard_access_overrides", "Times that glass was broken.", ["reason"])
PATH = "/api/v1/access"
GRANT_LIFETIME = timedelta(days=365)
SHOWN = {"user_id", "grantee_id", "scopes", "expires_at"}
PATIENT: frozenset[Role] = frozenset({"patient"})
CLINICIAN: frozenset[Role] = frozenset({"clinician"})


class Consent:
    """The routes. A person invites; a caregiver, or a clinician, accepts; the person takes back."""

    def __init__(self, platform: Platform, access: Access, settings: ApiSettings) -> None:
        self._platform = platform
        self._access = access
        self._settings = settings

    def routes(self) -> list[Route]:
        """Every route, with its policy."""
        invitations, grants = f"{PATH}/invitations", f"{PATH}/grants"
        invite = Policy("access.invite", PATIENT)
        withdraw = Policy("access.withdraw", PATIENT)
        accept = Policy("access.accept", GRANTEES)
        revoke = Policy("access.revoke", PATIENT)
        one_offer, one_grant = invitations + "/{invitation_id}", grants + "/{grantee_id}"
        glass = Policy("access.override", CLINICIAN)
        return [
            Route("POST", invitations, self.invite, invite, doc=described.INVITE, keyed=True),
            Route("DELETE", one_offer, self.withdraw, withdraw, doc=described.WITHDRAW),
            Route("POST", grants, self.accept, accept, doc=described.ACCEPT),
            Route("GET", grants, self.listed, Policy("access.list", PEOPLE), doc=described.GRANTS),
            Route("DELETE", one_grant, self.revoke, revoke, doc=described.REVOKE),
            Route(
                "POST", f"{PATH}/break-glass", self.break_glass, glass,
                doc=described.BREAK_GLASS, keyed=True,
            ),
        ]  # fmt: skip

    async def invite(self, request: web.Request) -> web.Response:
        """Offer somebody to see one's own data; answer with a code unless an account is named."""
        user_id = self._own(request)
        body = await read_model(request, Offer, "bad_invitation")
        expires_at = body.expires_at or datetime.now(UTC) + GRANT_LIFETIME
        if body.grantee_id == user_id:
            raise consent.own_account()
        if expires_at <= datetime.now(UTC):
            raise Rejected("bad_invitation", "expires_at is over already")
        scopes = tuple(sorted(body.scopes))
        offer = consent.Invitation(body.grantee_id, scopes, expires_at)
        invitation_id, code, until = await consent.invite(self._platform, user_id, offer)
        return web.json_response(
            {
                "invitation_id": str(invitation_id),
                "code": code,
                "grantee_id": body.grantee_id,
                "scopes": scopes,
                "accept_until": until.isoformat(),
                "grant_expires_at": expires_at.isoformat(),
            },
            status=201,
            headers={"Cache-Control": "no-store"},
        )

    async def withdraw(self, request: web.Request) -> web.Response:
        """Take an invitation back that nobody has accepted."""
        user_id = self._own(request)
        try:
            invitation_id = uuid.UUID(request.match_info["invitation_id"])
        except ValueError:
            raise hidden() from None
        if not await consent.withdraw(self._platform.pool, user_id, invitation_id):
            raise hidden()
        return web.json_response({"invitation_id": str(invitation_id), "open": False})

    async def accept(self, request: web.Request) -> web.Response:
        """Accept an invitation: the one with this code, or the one of this account to oneself."""
        body = await read_model(request, Acceptance, "bad_acceptance")
        if (body.code is None) == (body.user_id is None):
            raise Rejected("bad_acceptance", "send either the code or the user_id that invites")
        grantee_id = principal_of(request).user_id
        granted = await consent.accept(
            self._platform, grantee_id, code=body.code, user_id=body.user_id
        )
        if granted is None:
            raise hidden()
        concerns(request, subject_id=granted.subject_id, user_id=granted.user_id)
        return web.json_response(granted.model_dump(mode="json", include=SHOWN) | {"granted": True})

    async def listed(self, request: web.Request) -> web.Response:
        """List what one has granted and offered, and what one was."""
        return answer_json(request, await consent.listed(self._platform.pool, self._own(request)))

    async def revoke(self, request: web.Request) -> web.Response:
        """Take back what an account may see. It holds when this is answered."""
        user_id, grantee_id = self._own(request), request.match_info["grantee_id"]
        if not is_id(grantee_id):
            raise Rejected("bad_grantee", "grantee_id is not an account")
        await consent.revoke(self._platform, user_id, grantee_id)
        return web.json_response({"user_id": user_id, "grantee_id": grantee_id, "granted": False})

    async def break_glass(self, request: web.Request) -> web.Response:
        """Open somebody's data to oneself in an emergency; everybody who watches is told."""
        body = await read_model(request, Emergency, "bad_override")
        minutes = body.minutes or self._settings.override_minutes
        if minutes > self._settings.override_max_minutes:
            raise Rejected("bad_override", "that is too long for an emergency")
        principal = principal_of(request)
        self._concerns(request, body.user_id, "override")
        if self._access.right(principal, body.user_id):
            raise Rejected("not_needed", "you may see this person's data anyway")
        until = await override.override(
            self._platform, principal.user_id, body.user_id, body.reason, minutes
        )
        OVERRIDES.labels(body.reason).inc()
        logger.warning("somebody broke the glass", extra={"reason": body.reason})
        document = {"user_id": body.user_id, "reason": body.reason, "expires_at": until.isoformat()}
        return web.json_response(document, status=201)

    def _own(self, request: web.Request) -> str:
        principal = principal_of(request)
        basis = "own" if "patient" in principal.roles else None
        self._concerns(request, principal.user_id, basis)
        return principal.user_id

    def _concerns(self, request: web.Request, user_id: str, basis: Basis | None) -> None:
        subject_id = self._platform.vault.user_subject_id(user_id)
        concerns(request, subject_id=subject_id, user_id=user_id, basis=basis)
