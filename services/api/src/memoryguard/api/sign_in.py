# SPDX-License-Identifier: Apache-2.0
"""Routes that open and end a browser's session."""

from __future__ import annotations

import re

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.markup import el
from memoryguard.api.page import error_page, page, refused_page
from memoryguard.api.sessions import Sessions, create_link, redeem
from memoryguard.common.contracts.events import AccessRead
from memoryguard.common.errors import Denied, Rejected
from memoryguard.common.http.app import SESSION_COOKIE, concerns, principal_of, token_of
from memoryguard.common.http.body import read_object
from memoryguard.common.http.conditional import PRIVATE
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import ROLES, Policy

LINK_PATH = "/s/{code:[A-Za-z0-9_-]{20,100}}"
PAGE_PATH = re.compile(r"/(?!/)[A-Za-z0-9/._-]{0,300}")
"""A page of ours: one slash in front, never two, which would name another host."""

ELSEWHERE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Headers of answers that send a browser on."""


class DeadLink(Denied):
    """A link that was used, has run out, or was never made."""

    http_status = 404


class SignIn:
    """Make a link, follow it, and sign out again."""

    def __init__(self, platform: Platform, sessions: Sessions) -> None:
        self._platform = platform
        self._sessions = sessions

    def routes(self) -> list[Route]:
        """Every route, with its policy."""
        path, secret = "/api/v1/sessions", Policy("session.follow", public="the code is a secret")
        show, create = Policy("session.show", ROLES), Policy("session.create", ROLES)
        end, out = Policy("session.end", ROLES), Policy("session.sign-out", ROLES)
        return [
            Route("GET", path, self.show, show, doc=described.SHOW_SESSION),
            Route("POST", path, self.create, create, doc=described.MAKE_LINK),
            Route("DELETE", path, self.end_all, end, doc=described.END_SESSIONS),
            Route("GET", LINK_PATH, self.follow, secret, _refused_link, described.FOLLOW_LINK),
            Route("GET", "/sign-out", self.sign_out, out, refused_page, described.SIGN_OUT),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """Say who is signed in, and give the page its token, since a cookie can only read.

        Another site's page may send this request, but never reads its answer: there is no CORS
        here, and the answer may not even be loaded there.
        """
        user_id = self._own(request)
        document = {
            "user_id": user_id,
            "roles": sorted(principal_of(request).roles),
            "token": token_of(request),
            "idle_minutes": self._sessions.idle_minutes,
        }
        headers = PRIVATE | {"Cross-Origin-Resource-Policy": "same-origin"}
        return web.json_response(document, headers=headers)

    async def create(self, request: web.Request) -> web.Response:
        """Make a link to a page."""
        user_id = self._own(request)
        path = (await read_object(request)).get("path", "/")
        if not isinstance(path, str) or not PAGE_PATH.fullmatch(path):
            raise Rejected(
                "bad_path", "path is not a page of this server", 'for instance "/imaging/<id>"'
            )
        token = token_of(request)
        code, expires_at = await create_link(self._platform.pool, token, user_id, path)
        document = {"url_path": f"/s/{code}", "expires_at": expires_at.isoformat()}
        return web.json_response(document, status=201, headers={"Cache-Control": "no-store"})

    async def follow(self, request: web.Request) -> web.Response:
        """Use a link up, and begin the session that it opens."""
        redeemed = await redeem(self._platform.pool, request.match_info["code"])
        if redeemed is None:
            raise DeadLink("dead_link", "this link does not work any more", "make a new one")
        token, user_id, path = redeemed
        cookie = await self._sessions.begin(token, user_id)
        # The route is public, so nobody else says who came in by it.
        fact = AccessRead(
            subject_id=self._platform.vault.user_subject_id(user_id),
            actor_id=user_id,
            action="session.follow",
            service=self._platform.name,
            user_id=user_id,
        )
        await self._platform.say(fact)
        return signed_in(request, cookie, path)

    async def end_all(self, request: web.Request) -> web.Response:
        """End every session of one's own."""
        user_id = self._own(request)
        return web.json_response({"ended": await self._sessions.end_all(user_id)})

    async def sign_out(self, request: web.Request) -> web.Response:
        """End this session."""
        self._own(request)
        await self._sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        response = page(
            "Signed out", el("p", "The session has ended; its cookie opens nothing any more.")
        )
        response.del_cookie(SESSION_COOKIE, path="/")
        return response

    def _own(self, request: web.Request) -> str:
        """Give the caller's account, whose owner shall find in the log who came in as them."""
        user_id = principal_of(request).user_id
        subject_id = self._platform.vault.user_subject_id(user_id)
        concerns(request, subject_id=subject_id, user_id=user_id)
        return user_id


def _refused_link(error: Denied) -> web.Response:
    if error.code != "dead_link":
        return refused_page(error)
    return error_page(
        404,
        "This link does not work any more",
        "A link opens once, within ten minutes. Make a new one where this one came from.",
    )


def signed_in(request: web.Request, cookie: str, path: str) -> web.Response:
    """Begin a session in a browser, on a page of ours."""
    response = web.Response(status=303, headers=ELSEWHERE | {"Location": path})
    # Lax, not Strict: the click comes from a terminal or a mail. A cookie may only read anyway.
    response.set_cookie(
        SESSION_COOKIE, cookie, path="/", httponly=True, samesite="Lax", secure=encrypted(request)
    )
    return response


def encrypted(request: web.Request) -> bool:
    """Whether the browser has come by TLS, to us or to whatever stands before us."""
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
