# SPDX-License-Identifier: Apache-2.0
"""HTML and SVG built from parts: text is escaped because there is no way to write it unescaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

VOID = frozenset({"meta", "link", "img", "br"})


class Html(str):
    """Markup that was made by `el`."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | float | Iterable[Child] | None"


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Make an element.

    Parameters
    ----------
    tag
        Its name.
    children
        Markup, text (escaped), numbers, and lists of these; None is nothing.
    attributes
        ``class_`` and ``for_`` lose their last underscore, others become dashes; True stands
        alone, None and False are left out.
    """
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Child) -> Html:
    """Put parts behind each other, escaping what is not markup."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, (str, int, float)):
        return Html(html.escape(str(children)))
    return Html("".join(join(child) for child in children))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{html.escape(str(value))}"'
