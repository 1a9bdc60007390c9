# SPDX-License-Identifier: Apache-2.0
"""The frame of every page: head, banner, and the headers that keep a page to itself."""

from __future__ import annotations

from aiohttp import web

from memoryguard.api.analysis import DISCLAIMER
from memoryguard.api.markup import Child, el
from memoryguard.common.errors import Denied

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def page(title: str, *body: Child, status: int = 200, script: str | None = None) -> web.Response:
    """Make a page.

    Parameters
    ----------
    title
        Its heading and its name in the browser.
    body
        What stands below the heading.
    status
        Of the answer.
    script
        Name of a script under ``/static/``; every page can be read without it.
    """
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{title} · MemoryGuard Imaging"),
        el("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/page.css"),
        el("script", src=f"/static/{script}", defer=True) if script else None,
    )
    banner = el(
        "header",
        el("a", "MemoryGuard Imaging", href="/", class_="home"),
        el("p", DISCLAIMER + " Not for diagnosis.", class_="disclaimer"),
        el("a", "Sign out", href="/sign-out") if status == 200 else None,
    )
    content = el(
        "body",
        el("a", "Skip to the content", href="#content", class_="skip"),
        banner,
        el("main", el("h1", title), *body, id="content"),
    )
    document = el("html", head, content, lang="en")
    return web.Response(
        text=f"<!doctype html>\n{document}\n",
        status=status,
        content_type="text/html",
        headers=HEADERS,
    )


def error_page(status: int, title: str, message: str) -> web.Response:
    """Make a page that says what went wrong and what to do."""
    return page(title, el("p", message), status=status)


def refused_page(error: Denied) -> web.Response:
    """Answer a refusal with a page."""
    if error.code == "invalid_token":
        return sign_in_page()
    if error.http_status == 404:
        return error_page(404, "Nothing here", "There is nothing at this address for you to see.")
    if error.http_status == 429:
        return error_page(429, "One moment", "Too many requests came at once. Try again soon.")
    return error_page(error.http_status, "Not for this account", f"{error.message}. {error.hint}")


def sign_in_page() -> web.Response:
    """Tell how to get in: there is no password here."""
    return page(
        "Please sign in",
        el("p", "This page needs a session. You get one from a one-time link:"),
        el(
            "ul",
            el("li", "the command line prints one beside every result (", _code("result"), ");"),
            el(
                "li",
                "a program that has a token asks for one with ",
                el("code", "POST /api/v1/sessions"),
                ".",
            ),
        ),
        el(
            "p",
            "A link opens once, within ten minutes. A session ends when nobody uses it.",
        ),
        status=401,
    )


def _code(command: str) -> Child:
    return el("code", f"memoryguard {command}")
