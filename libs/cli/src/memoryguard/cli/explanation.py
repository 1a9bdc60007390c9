# SPDX-License-Identifier: Apache-2.0
"""Show what the risk model says, and what moved it; or why it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from memoryguard.cli.words import words

BAR_WIDTH = 12


def explanation(document: Mapping[str, Any]) -> RenderableType:
    """Return the model's answer with its SHAP values as bars."""
    risk = document["risk"]
    if risk is None:
        whys = "\n".join(f"  {words(r['message'])}" for r in document["reasons"]["risk"])
        title = "Similarity to diagnosed groups is withheld\n"
        return Text.assemble((title, "bold"), (whys, "dim"))
    groups = Table.grid(padding=(0, 2))
    for group, probability in risk["probabilities"].items():
        bar = Text("█" * round(probability * 2 * BAR_WIDTH), "blue")
        interval = (risk.get("intervals95") or {}).get(group)
        between = f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %" if interval else ""
        groups.add_row(words(group), f"{100 * probability:.0f} %", Text(between, "dim"), bar)
    return Group(
        Text("Similar to diagnosed groups today", "bold"),
        Text(),
        groups,
        Text(),
        Text.assemble(
            (f"What moves {words(risk['explained'])}", "bold"),
            (f"  from {100 * risk['base']:.0f} % to {100 * risk['output']:.0f} %", "dim"),
            (f"\n{risk['baseline']}" if risk.get("baseline") else "", "dim"),
        ),
        Text(),
        _contributions(risk["contributions"]),
        Text("".join(f"\n{each['sentence']}" for each in _said(risk["contributions"]))),
        Text("".join(f"\n{words(n)}: {words(w)}" for n, w in risk["missing"].items()), "dim"),
    )


def _said(contributions: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out what is said in no words, or moves less than a point."""
    return [c for c in contributions if c.get("sentence") and abs(c["contribution"]) >= 0.005]


def _contributions(contributions: list[Mapping[str, Any]]) -> Table:
    """Draw the SHAP values as bars: to the left they lower the output, to the right raise it."""
    table = Table.grid(padding=(0, 2))
    largest = max((abs(c["contribution"]) for c in contributions), default=0.0) or 1.0
    for row in contributions:
        amount = row["contribution"]
        bar = "█" * round(abs(amount) / largest * BAR_WIDTH)
        left, right = (bar, "") if amount < 0 else ("", bar)
        table.add_row(
            words(row["feature"]),
            Text(f"{row['value']:,.4g}" if row["value"] < 1000 else f"{row['value']:,.0f}", "dim"),
            Text.assemble((left.rjust(BAR_WIDTH), "green"), "│", (right.ljust(BAR_WIDTH), "red")),
            f"{100 * amount:+.1f} points",
        )
    return table
