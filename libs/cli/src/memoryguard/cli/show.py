# SPDX-License-Identifier: Apache-2.0
"""Show a result in the terminal: a document in, something to print out.

The document is what ``analyze`` returns or what the API serves as ``/analysis``. A synthetic
person's ``truth`` may be added to it: percent of change by region, and ``years``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from memoryguard.cli.explanation import explanation
from memoryguard.cli.words import words

DISCLAIMER = (
    "Research software, not a medical device. One scan shows low volume for age, not loss over "
    "time; the model says how similar a person is to diagnosed groups today, not the future."
)
SEVERITY_STYLES = {
    "none": "green",
    "mild": "yellow",
    "moderate": "dark_orange",
    "severe": "bold red",
    "uncertain": "cyan",
}
VERDICT_STYLES = {"accepted": "bold green", "warned": "bold yellow", "refused": "bold red"}
GAUGE_WIDTH = 9


def show(document: Mapping[str, Any], title: str = "Result") -> RenderableType:
    """Return everything a result holds, ready to print.

    Parameters
    ----------
    document
        A result; see above.
    title
        Its first words.
    """
    quality: Mapping[str, Any] = document["quality"] or {"verdict": "none", "reasons": []}
    parts: list[RenderableType] = [Text(), _headline(document, title)]
    error = document.get("error")
    reasons: list[Mapping[str, str]] = quality["reasons"] or ([error] if error else [])
    if reasons:
        parts.append(_indent(_quality(reasons)))
    if quality["verdict"] in ("accepted", "warned"):
        parts += [_indent(_volumes(document)), _indent(_overall(document))]
        change = document["atrophy"].get("change") or {}
        regions = document["atrophy"]["regions"]
        rated = {
            name: each
            for name, each in change.items()
            if each["percent_per_year"] is not None and _is_told(each, regions.get(name) or {})
        }
        if rated:
            parts.append(_indent(_change(rated, document.get("truth") or {})))
        parts.append(_indent(explanation(document)))
    parts += [_indent(_seconds(document["seconds"])), _indent(Text(DISCLAIMER, "dim italic"))]
    return Group(*parts)


def _indent(part: RenderableType) -> RenderableType:
    return Padding(part, (1, 0, 0, 2))


def _headline(document: Mapping[str, Any], title: str) -> Text:
    verdict = (document["quality"] or {}).get("verdict") or document.get("status") or ""
    person, engine = document.get("person") or {}, document.get("engine")
    sex, age = person.get("sex"), person.get("age_years")
    facts = [{"F": "woman", "M": "man"}[sex]] if sex else []
    facts += [] if age is None else [f"{age:.1f} years"]
    facts += [f"measured by {engine['name']} {engine['version']}"] if engine else []
    line = Text.assemble((title, "bold"), "  ", (verdict, VERDICT_STYLES.get(verdict, "bold")))
    return line.append("  " + " · ".join(facts), "dim")


def _quality(reasons: list[Mapping[str, str]]) -> Text:
    text = Text()
    for index, reason in enumerate(reasons):
        text.append("\n" if index else "")
        text.append(f"! {reason['code']}  ", "yellow").append(reason["message"])
    return text


def _table(title: str, *columns: tuple[str, Literal["left", "center", "right"]]) -> Table:
    """Return an empty table that fits 80 columns; on less, its first column gives way."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False
    )
    for index, (name, justify) in enumerate(columns):
        table.add_column(name, justify=justify, no_wrap=index > 0)
    return table


def _volumes(document: Mapping[str, Any]) -> RenderableType:
    table = _table(
        "Against healthy people of this age, sex and head size",
        ("structure", "left"),
        ("mm³ ± 1 SD", "right"),
        ("z", "right"),
        ("-3  0  3", "center"),
        ("%ile", "right"),
        ("", "left"),
    )
    absent: dict[str, list[str]] = {}
    atrophy, reasons = document["atrophy"], document["reasons"]
    scores = atrophy["regions"] | atrophy.get("thickness", {})
    for part, digits in (("volumes_mm3", 0), ("thickness_mm", 2)):
        for name, value in document[part].items():
            score = scores.get(name) or {}
            if value is None:
                absent.setdefault(words(reasons[part].get(name)), []).append(words(name))
                continue
            if score.get("z") is None and (code := reasons["atrophy"].get(name)):
                absent.setdefault(f"no z, {words(code)}", []).append(words(name))
            error = document["errors_sd"][part].get(name)
            table.add_row(words(name), _measured(value, error, digits), *_score_cells(score))
    notes = "\n".join(f"{why}: {', '.join(names)}" for why, names in absent.items())
    return Group(table, Text(notes, "dim"))


def _measured(value: float, error: float | None, digits: int) -> Text:
    unit = " mm" if digits else ""
    spread = "?" if error is None else f"{error:,.{digits}f}"
    return Text(f"{value:,.{digits}f}").append(f" ± {spread}{unit}", "dim")


def _score_cells(score: Mapping[str, Any]) -> list[RenderableType]:
    z, severity = score.get("z"), score.get("severity")
    if z is None:
        return []
    style = SEVERITY_STYLES.get(severity or "", "")
    return [
        Text(f"{z:+.2f}", style),
        _gauge(z, style),
        _centile(score.get("centile")),
        Text(severity or "", style),
    ]


def _gauge(z: float, style: str) -> Text:
    """Draw where a z lies between -3 and 3; an arrow where it lies beyond."""
    middle = GAUGE_WIDTH // 2
    place = min(GAUGE_WIDTH - 1, max(0, round(middle + z * middle / 3)))
    line = ["·"] * GAUGE_WIDTH
    line[middle] = "│"
    text = Text("".join(line), "dim")
    mark = "◀" if z < -3 else "▶" if z > 3 else "●"
    return Text.assemble(text[:place], (mark, style), text[place + 1 :])


def _centile(centile: float | None) -> str:
    if centile is None:
        return ""
    return "< 1" if centile < 1 else "> 99" if centile > 99 else f"{centile:.0f}"


def _overall(document: Mapping[str, Any]) -> Text:
    atrophy, reasons = document["atrophy"], document["reasons"]["atrophy"]
    severity, why = atrophy["overall"], words(reasons.get("overall"))
    if severity is None:
        return Text.assemble(("Overall  ", "bold"), (f"— {why}", "dim"))
    text = Text.assemble(("Overall  ", "bold"), (severity, SEVERITY_STYLES[severity]))
    text.append(" at least" if atrophy.get("overall_at_least") else "")
    region = words(atrophy.get("overall_region"))
    text.append(f"  {', '.join(part for part in (region, why) if part)}", "dim")
    for summary in (atrophy.get("summaries") or {}).values():
        text.append(f"\n{summary['sentence']}", "dim")
    return text


def _is_told(change: Mapping[str, Any], region: Mapping[str, Any]) -> bool:
    """Whether a change is shown: of what has a norm, or whose change was published, or is certain.

    The document has all of them.
    """
    published = change.get("published_percent_per_year")
    return bool(region.get("pack") or published) or change["within_measurement_noise"] is False


def _change(change: Mapping[str, Any], truth: Mapping[str, Any]) -> RenderableType:
    years = next(iter(change.values()))["interval_years"]
    table = _table(
        f"Change over {years:.1f} years, percent a year",
        ("structure", "left"),
        ("measured", "right"),
        ("95 %", "center"),
        ("known truth" if truth else "", "right"),
        ("", "left"),
    )
    published: list[str] = []
    for name, row in change.items():
        interval = row.get("ci95_percent_per_year")
        known = _yearly_percent(truth.get(f"{name}_percent"), truth.get("years") or years)
        rate, noise = row["percent_per_year"], row.get("within_measurement_noise")
        unknown = row.get("reason") or row.get("error_reason") or "unknown"
        table.add_row(
            words(name),
            Text("" if rate is None else f"{rate:+.1f}", "bold"),
            Text(f"{interval[0]:+.1f} … {interval[1]:+.1f}" if interval else words(unknown), "dim"),
            Text("" if known is None else f"{known:+.1f}", "magenta"),
            Text("within noise" if noise else "", "dim"),
        )
        if rates := _published(row.get("published_percent_per_year") or {}):
            published.append(f"published, {words(name)}: {rates}")
    return Group(table, Text("\n".join(published), "dim"))


def _yearly_percent(total: float | None, years: float) -> float | None:
    """Return the steady yearly percentage that adds up to a total."""
    return None if total is None else 100 * ((1 + total / 100) ** (1 / years) - 1)


def _published(rates: Mapping[str, float]) -> str:
    """Name the first rate of healthy people and of Alzheimer's disease (keys: group, source)."""
    first: dict[str, float] = {}
    for key, rate in rates.items():
        first.setdefault(key.partition(",")[0], rate)
    named = (("healthy", "healthy"), ("AD", "Alzheimer's"))
    return ", ".join(f"{name} {first[group]:+.1f}" for group, name in named if group in first)


def _seconds(seconds: Mapping[str, float]) -> Text:
    stages = " · ".join(f"{words(n)} {s:.1f} s" for n, s in seconds.items() if n != "total")
    text = Text.assemble(("Seconds  ", "bold"), (stages, "dim"))
    if "total" in seconds:
        text.append(f"  together {seconds['total']:.1f} s")
    return text
