# SPDX-License-Identifier: Apache-2.0
"""Show a result in the terminal: the document of ``analyze`` in, something to print out.

Beside that document's keys, two may be there: ``change`` (by region, as in the event
``atrophy.scored``) and ``truth`` (of a synthetic person, as in ``sample.json``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

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
GAUGE_WIDTH = 13
BAR_WIDTH = 12
_NAMES = {
    "apoe4 count": "APOE ε4 alleles",
    "moca": "MoCA",
    "cortex mean": "cortex thickness",
    "hippocampus total mm3": "hippocampi, mm³",
    "intracranial mm3": "intracranial, mm³",
    "age years": "age, years",
    "education years": "education, years",
}


def result(document: Mapping[str, Any], title: str = "Result") -> RenderableType:
    """Return everything a result holds, ready to print.

    Parameters
    ----------
    document
        What ``analyze`` returns, with ``change`` and ``truth`` where known.
    title
        Its first words.
    """
    parts: list[RenderableType] = [Text(), _headline(document, title)]
    reasons = document["quality"]["reasons"]
    if reasons:
        parts.append(_indent(_quality(reasons)))
    if document["quality"]["verdict"] != "refused":
        parts += [_indent(_volumes(document)), _indent(_overall(document))]
        if document.get("change"):
            parts.append(_indent(_change(document["change"], document.get("truth") or {})))
        parts.append(_indent(_risk(document)))
    parts += [_indent(_seconds(document["seconds"])), _indent(Text(DISCLAIMER, "dim italic"))]
    return Group(*parts)


def _indent(part: RenderableType) -> RenderableType:
    return Padding(part, (1, 0, 0, 2))


def words(code: str | None) -> str:
    """Turn a region's name or a reason's code into words."""
    plain = (code or "").replace("_", " ")
    return _NAMES.get(plain, plain)


def _headline(document: Mapping[str, Any], title: str) -> Text:
    verdict = document["quality"]["verdict"]
    person, engine = document.get("person") or {}, document["engine"]
    sex, age = person.get("sex"), person.get("age_years")
    facts = [{"F": "woman", "M": "man"}[sex]] if sex else []
    facts += [] if age is None else [f"{age:.1f} years"]
    facts.append(f"measured by {engine['name']} {engine['version']}")
    line = Text.assemble((title, "bold"), "  ", (verdict, VERDICT_STYLES[verdict]))
    return line.append("  " + " · ".join(facts), "dim")


def _quality(reasons: list[Mapping[str, str]]) -> Text:
    text = Text()
    for index, reason in enumerate(reasons):
        text.append("\n" if index else "")
        text.append(f"! {reason['code']}  ", "yellow").append(reason["message"])
    return text


def _table(title: str, *columns: tuple[str, Literal["left", "center", "right"]]) -> Table:
    """Return an empty table; only its first column gives way on a narrow terminal."""
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
        ("expected", "right"),
        ("z", "right"),
        ("-3    0    3", "center"),
        ("centile", "right"),
        ("", "left"),
    )
    absent: dict[str, list[str]] = {}
    scores, reasons = document["atrophy"]["regions"], document["reasons"]
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
    expected = score.get("expected_mm3")
    return [
        Text("" if expected is None else f"{expected:,.0f}", "dim"),
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
    severity = document["atrophy"]["overall"]
    if severity is None:
        why = document["reasons"]["atrophy"].get("overall")
        return Text.assemble(("Overall  ", "bold"), (f"— {words(why)}", "dim"))
    return Text.assemble(("Overall  ", "bold"), (severity, SEVERITY_STYLES[severity]))


def _change(change: Mapping[str, Any], truth: Mapping[str, Any]) -> Table:
    years = next(iter(change.values()))["interval_years"]
    table = _table(
        f"Change over {years:.1f} years",
        ("structure", "left"),
        ("change", "right"),
        ("known truth" if truth else "", "right"),
        ("a year", "right"),
        ("95 %", "center"),
        ("", "left"),
    )
    for name, row in change.items():
        interval = row.get("ci95_percent_per_year")
        noise = row.get("within_measurement_noise")
        known = truth.get(f"{name}_percent")
        table.add_row(
            words(name),
            Text(f"{row['percent_total']:+.1f} %", "bold"),
            Text("" if known is None else f"{known:+.1f} %", "magenta"),
            Text(f"{row['percent_per_year']:+.1f} %"),
            Text(f"{interval[0]:+.1f} … {interval[1]:+.1f} %" if interval else "unknown", "dim"),
            Text("within measurement noise" if noise else "", "dim"),
        )
    return table


def _risk(document: Mapping[str, Any]) -> RenderableType:
    risk = document["risk"]
    if risk is None:
        whys = [words(r.get("feature") or r["code"]) for r in document["reasons"]["risk"]]
        missing = ", ".join(dict.fromkeys(whys)) or "no reason given"
        return Text.assemble(
            ("Similarity  ", "bold"), (f"— withheld for want of: {missing}", "dim")
        )
    groups = Table.grid(padding=(0, 2))
    for group, probability in risk["probabilities"].items():
        bar = Text("█" * round(probability * 2 * BAR_WIDTH), "blue")
        groups.add_row(words(group), f"{100 * probability:.0f} %", bar)
    return Group(
        Text("Similar to diagnosed groups today", "bold"),
        Text(),
        groups,
        Text(),
        Text.assemble(
            (f"What moves “{risk['explained']}”", "bold"),
            (f"  from {100 * risk['base']:.0f} % to {100 * risk['output']:.0f} %", "dim"),
        ),
        Text(),
        _contributions(risk["contributions"]),
        Text("".join(f"\n{words(n)}: {words(w)}" for n, w in risk["missing"].items()), "dim"),
    )


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


def _seconds(seconds: Mapping[str, float]) -> Text:
    stages = " · ".join(f"{words(n)} {s:.1f} s" for n, s in seconds.items() if n != "total")
    text = Text.assemble(("Seconds  ", "bold"), (stages, "dim"))
    if "total" in seconds:
        text.append(f"  together {seconds['total']:.1f} s")
    return text
