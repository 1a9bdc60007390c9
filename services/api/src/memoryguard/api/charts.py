# SPDX-License-Identifier: Apache-2.0
"""Small pictures in SVG. Each says in words what it shows, for those who do not see it.

Colours come from the style sheet by class, never from attributes of style (see the CSP).
"""

from __future__ import annotations

from collections.abc import Mapping

from memoryguard.api.markup import Html, el

WIDTH = 200
HEIGHT = 22
Z_SPAN = 4.5
"""The norm bar shows z from minus this to plus this; beyond, a mark stands at the edge."""
USUAL_Z = 1.2815515655446004  # the central 80 % of healthy people; the severity's first edge


def norm_bar(z: float, z_sd: float | None) -> Html:
    """Where a value lies among healthy people: the band holds 80 % of them, the dot is this scan.

    Parameters
    ----------
    z
        Standard deviations from what is expected.
    z_sd
        Its uncertainty, one SD, drawn as a line.
    """
    spread = f" plus or minus {z_sd:.1f}" if z_sd is not None else ""
    middle = HEIGHT / 2
    return _svg(
        f"z {z:+.1f}{spread}; the band is the middle 80 % of healthy people",
        _rect("track", 0, middle - 2, WIDTH, 4),
        _rect("usual", _x(-USUAL_Z), middle - 6, _x(USUAL_Z) - _x(-USUAL_Z), 12),
        _line("expected", _x(0), 2, _x(0), HEIGHT - 2),
        _line("spread", _x(z - z_sd), middle, _x(z + z_sd), middle) if z_sd is not None else None,
        el("circle", class_="value", cx=_round(_x(z)), cy=middle, r=5),
    )


def share_bar(share: float) -> Html:
    """Draw a share from 0 to 1."""
    filled = WIDTH * min(max(share, 0.0), 1.0)
    return _svg(
        f"{100 * share:.0f} percent",
        _rect("track", 0, 4, WIDTH, HEIGHT - 8),
        _rect("share", 0, 4, filled, HEIGHT - 8),
    )


def contribution_bar(contribution: float, largest: float) -> Html:
    """Draw a contribution around a middle line; right raises the output, left lowers it.

    Parameters
    ----------
    contribution
        A SHAP value.
    largest
        The largest size of all of them, which fills the half.
    """
    half = WIDTH / 2
    size = half * abs(contribution) / largest if largest > 0 else 0.0
    raises = contribution >= 0
    return _svg(
        f"{'raises' if raises else 'lowers'} the output by {abs(contribution):.3f}",
        _rect("track", 0, HEIGHT / 2 - 1, WIDTH, 2),
        _rect("raises" if raises else "lowers", half if raises else half - size, 4, size, 14),
        _line("expected", half, 0, half, HEIGHT),
    )


def _x(z: float) -> float:
    return WIDTH * (min(max(z, -Z_SPAN), Z_SPAN) + Z_SPAN) / (2 * Z_SPAN)


def _svg(title: str, *parts: Html | None) -> Html:
    size: Mapping[str, str | float] = {"width": WIDTH, "height": HEIGHT}
    return el(
        "svg",
        el("title", title),
        *parts,
        role="img",
        aria_label=title,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        **size,
    )


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Html:
    return el(
        "rect", class_=kind, x=_round(x), y=_round(y), width=_round(width), height=_round(height)
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    return el("line", class_=kind, x1=_round(x1), y1=_round(y1), x2=_round(x2), y2=_round(y2))


def _round(value: float) -> float:
    return round(value, 1)
