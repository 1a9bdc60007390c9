# SPDX-License-Identifier: Apache-2.0
"""Who may see a scan: its person, whoever that person lets, and clinicians.

Somebody who may not see a scan gets the same answer as for a scan that does not exist, and the
look is recorded as denied. Nothing is remembered between two requests: what is taken back is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aiohttp import web

from memoryguard.api import consent, documents, override, scans
from memoryguard.api.documents import Document
from memoryguard.api.scans import Cursor, Scan
from memoryguard.api.settings import ApiSettings
from memoryguard.api.wanted import EVERYTHING, Wanted
from memoryguard.common.contracts.events import AccessRead, Basis, Scope
from memoryguard.common.errors import Denied
from memoryguard.common.http import purpose
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import Principal, Role

MAX_ID = 100
GRANTEES: frozenset[Role] = frozenset({"caregiver", "clinician"})
"""Whom a person may let see their data."""


class Hidden(Denied):
    """Not there, or not for you: the answer does not tell which."""

    http_status = 404


def hidden() -> Hidden:
    """Make the one answer for "not there" and "not yours"."""
    return Hidden("not_found", "there is nothing here for you to see", "check the address")


def is_id(text: str) -> bool:
    """Whether a text can be an id at all; PostgreSQL stores no NUL and no half characters."""
    return 0 < len(text) <= MAX_ID and text.isprintable()


class Access:
    """Answers who may see what, by roles, grants and broken glass."""

    def __init__(self, platform: Platform, settings: ApiSettings) -> None:
        self._platform = platform
        self._pool = platform.pool
        self._everybody = settings.clinicians_see == "everybody"

    async def scan(self, request: web.Request, scope: Scope) -> Scan:
        """Find the scan that the path names, if the caller may see it.

        Raises
        ------
        Hidden
            ``not_found``.
        """
        imaging_id = request.match_info["imaging_id"]
        scan = await scans.find(self._pool, imaging_id) if is_id(imaging_id) else None
        if scan is None:
            raise hidden()
        basis = await self.basis(principal_of(request), scan.user_id, scope)
        concerns(
            request,
            subject_id=scan.subject_id,
            scan_id=scan.scan_id,
            user_id=scan.user_id,
            basis=basis,
        )
        if basis is None:
            raise hidden()
        return scan

    async def documents(self, request: web.Request) -> list[Document]:
        """Find the DICOM objects that the path names, as far as the caller may see them.

        Raises
        ------
        Hidden
            ``not_found``.
        """
        uids = [request.match_info.get(f"{level}_uid") for level in documents.LEVELS]
        if not all(uid is None or is_id(uid) for uid in uids):
            raise hidden()
        found = await documents.lying_at(self._pool, uids[0] or "", *uids[1:])
        if not found:
            raise hidden()
        principal = principal_of(request)
        bases: list[Basis | None] = [
            await self.basis(principal, d.user_id, "results") for d in found
        ]
        seen = [d for d, basis in zip(found, bases, strict=True) if basis]
        first, *others = seen or found
        one = all(document.scan_id == first.scan_id for document in others)
        concerns(
            request,
            subject_id=first.subject_id,
            scan_id=first.scan_id if one else None,
            user_id=first.user_id,
            basis=bases[found.index(first)],
        )
        if not seen:
            raise hidden()
        return seen

    async def basis(self, principal: Principal, user_id: str | None, scope: Scope) -> Basis | None:
        """By what a caller may see this of an account: right, grant or broken glass, if at all."""
        by_right = self.right(principal, user_id)
        if by_right or user_id is None:
            return by_right
        asked = (self._pool, user_id, principal.user_id)
        if principal.roles & GRANTEES and await consent.is_granted(*asked, scope):
            return "grant"
        if "clinician" in principal.roles and await override.is_overridden(*asked):
            return "override"
        return None

    def right(self, principal: Principal, user_id: str | None) -> Basis | None:
        """By what a caller sees an account's data without anybody's leave, if at all."""
        return principal.sees_by(user_id, everybody=self._everybody)

    async def record_shown(
        self, request: web.Request, action: str, people: Iterable[tuple[str, str | None]]
    ) -> None:
        """Record a look at each person (pseudonym, account) in a list, not only at the list."""
        principal = principal_of(request)
        facts: list[AccessRead] = []
        for subject_id, user_id in dict.fromkeys(people):
            basis = await self.basis(principal, user_id, "results")
            facts.append(
                AccessRead(
                    subject_id=subject_id,
                    actor_id=principal.user_id,
                    action=action,
                    service=self._platform.name,
                    user_id=user_id,
                    purpose=purpose.of_read(request, basis),
                    basis=basis,
                )
            )
        await self._platform.say(*facts)

    async def documents_shown_to(
        self,
        principal: Principal,
        level: documents.Level,
        matches: Mapping[str, Sequence[str]],
        *,
        limit: int,
        offset: int,
    ) -> list[list[Document]]:
        """Search the DICOM objects that a caller may see; see `documents.search`."""
        return await documents.search(
            *(self._pool, principal, level, matches),
            everybody=self._everybody, limit=limit, offset=offset,
        )  # fmt: skip

    async def shown_to(
        self,
        principal: Principal,
        user_id: str | None,
        limit: int,
        after: Cursor | None,
        wanted: Wanted = EVERYTHING,
    ) -> tuple[list[Scan], Cursor | None]:
        """Give the scans whose results a caller may see; see `scans.visible_to`."""
        return await scans.visible_to(
            self._pool, principal, user_id, limit, after, wanted, everybody=self._everybody
        )
