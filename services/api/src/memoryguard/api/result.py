# SPDX-License-Identifier: Apache-2.0
"""The page of one scan, written from its analysis document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from memoryguard.api import charts, words
from memoryguard.api.markup import Child, Html, el
from memoryguard.api.page import page
from memoryguard.api.status import STAGES

Document = Mapping[str, Any]

COMPARED = (
    "Each volume beside healthy people of the same age, sex and head size. ± is one standard"
    " deviation of the measurement. The green band is the middle 80 % of healthy people, the dot"
    " is this scan, the line its uncertainty (one standard deviation)."
)
SIMILAR = (
    "How similar age, sex, volumes and the health metrics given are to groups of people with a"
    " diagnosis, today, if each group were as frequent as the others. It is not a diagnosis and"
    " says nothing about the future."
)


def result_page(document: Document) -> web.Response:
    """Make the page of a scan that is completed or failed."""
    failed = document["status"] == "failed"
    body: list[Child] = [_lead(document), _quality(document)]
    if not failed:
        body += [_picture(document), _volumes(document), _derived(document), _change(document)]
        body += [_risk(document)]
    body += [_health(document), _provenance(document)]
    return page("No result for this scan" if failed else "Result of a brain scan", *body)


def progress_page(document: Document) -> web.Response:
    """Make the page of a scan that is still being worked on, from its status document."""
    reached = STAGES.index(document["stage"])
    stages = [
        el("li", name, data_stage=name, class_="reached" if place <= reached else None)
        for place, name in enumerate(STAGES)
    ]
    path = f"/api/v1/imaging/{document['imaging_id']}/events"
    return page(
        "A scan being worked on",
        el(
            "div",
            el("p", "Status: ", el("strong", document["status"], data_status=True)),
            el("ol", *stages, class_="stages"),
            id="progress",
            data_events=path,
            aria_live="polite",
        ),
        el("p", "This page follows by itself. Without scripts, load it again."),
        script="live.js",
    )


def _section(title: str, *children: Child) -> Html:
    return el("section", el("h2", title), *children)


def _table(caption: str, heads: Sequence[str], rows: Sequence[Html]) -> Html:
    head = el("tr", *(el("th", text, scope="col") for text in heads))
    table = el("table", el("caption", caption), el("thead", head), el("tbody", *rows))
    return el("div", table, class_="scroll", tabindex=0, role="region", aria_label=heads[0])


def _row(heading: str, *cells: Child) -> Html:
    return el("tr", el("th", heading, scope="row"), *(el("td", cell) for cell in cells))


def _lead(document: Document) -> Html:
    error = document.get("error")
    if error:
        text = f"{error['message'].capitalize()} ({words.plain(error['code'])}). {error['hint']}"
        return el("p", text, class_="lead refused")
    atrophy = document["atrophy"]
    region = atrophy["overall_region"]
    direction = atrophy["regions"].get(region, {}).get("direction")
    said = words.overall(
        atrophy["overall"], region, direction, at_least=atrophy["overall_at_least"]
    )
    why = document["reasons"]["atrophy"].get("overall")
    return el("p", said, f" Reason: {words.plain(why)}." if why else None, class_="lead")


def _quality(document: Document) -> Html | None:
    quality = document["quality"]
    if quality is None:
        return None
    reasons = [el("li", reason["message"].capitalize()) for reason in quality["reasons"]]
    return _section(
        "Quality",
        el("p", words.VERDICTS[quality["verdict"]]),
        el("ul", *reasons) if reasons else None,
    )


def _picture(document: Document) -> Html | None:
    if document["picture"] is None:
        return None
    return _section(
        "Picture",
        el(
            "figure",
            el("img", src=document["picture"], alt="Slices of this scan, brain only"),
            el("figcaption", "Slices of this scan; everything but the brain is taken away."),
        ),
    )


def _volumes(document: Document) -> Html:
    heads = (
        "Structure",
        "Measured",
        "Expected",
        "z",
        "Among healthy people",
        "Centile",
        "In words",
    )
    atrophy = document["atrophy"]
    rows = [
        _measured_row(document, "volumes_mm3", name, atrophy["regions"].get(name, {}))
        for name in document["volumes_mm3"]
    ] + [
        _measured_row(document, "thickness_mm", name, atrophy["thickness"].get(name, {}))
        for name in document["thickness_mm"]
    ]
    flags = [el("li", words.plain(flag).capitalize()) for flag in document["atrophy"]["flags"]]
    return _section(
        "Volumes",
        el("ul", *(el("li", each["sentence"]) for each in atrophy["summaries"].values()))
        if atrophy["summaries"]
        else None,
        _table(COMPARED, heads, rows),
        [el("p", "Keep in mind:"), el("ul", *flags)] if flags else None,
    )


def _measured_row(document: Document, group: str, name: str, score: Document) -> Html:
    value, reasons = document[group][name], document["reasons"]
    if value is None:
        return _row(words.name(name), _why(reasons[group].get(name)), *[None] * 5)
    write = words.volume if group == "volumes_mm3" else words.thickness
    measured = write(value, document["errors_sd"][group].get(name))
    if score.get("z") is None:
        why = _why(reasons["atrophy"].get(name) or "not_compared")
        return _row(words.name(name), measured, None, why, *[None] * 3)
    expected = score.get("expected_mm3", score.get("expected_mm"))
    return _row(
        words.name(name),
        measured,
        write(expected) if expected is not None else None,
        words.signed(score["z"], ""),
        charts.norm_bar(score["z"], score["z_sd"]),
        words.centile(score["centile"], score.get("centile_band")),
        words.severity(score["severity"], score["direction"]),
    )


def _why(code: str | None) -> Html:
    return el("span", words.plain(code or "not_measured"), class_="why")


def _derived(document: Document) -> Html | None:
    atrophy, reasons = document["atrophy"], document["reasons"]
    rows = [
        _row(
            f"{words.name(name)}, left against right",
            _why(reasons["asymmetry_percent"].get(name))
            if value is None
            else words.signed(value, " %"),
        )
        for name, value in atrophy["asymmetry_percent"].items()
    ]
    rows += [
        _row(
            words.name(name), _why(reasons["ratios"].get(name)) if value is None else f"{value:.4f}"
        )
        for name, value in atrophy["ratios"].items()
    ]
    if not rows:
        return None
    caption = "Difference of the sides in percent of their mean (plus: the left one is larger)."
    return _section(
        "Asymmetry and ratios",
        _table(caption, ("Measure", "Value"), rows),
    )


def _change(document: Document) -> Html:
    changes = document["atrophy"]["change"]
    if not changes:
        why = document["reasons"]["atrophy"].get("change", "no_earlier_scan")
        return _section("Change since earlier scans", el("p", "None to tell: ", _why(why), "."))
    heads = ("Structure", "Scans", "Years", "Change a year", "95 % interval", "Published means")
    rows = [_change_row(name, change) for name, change in changes.items()]
    caption = "Change of each volume over this person's scans, in percent a year."
    return _section("Change since earlier scans", _table(caption, heads, rows))


def _change_row(name: str, change: Document) -> Html:
    rate, interval = change["percent_per_year"], change["ci95_percent_per_year"]
    noise = " (within measurement noise)" if change["within_measurement_noise"] else ""
    return _row(
        words.name(name),
        change["scans"],
        f"{change['interval_years']:.1f}",
        _why(change["reason"]) if rate is None else words.signed(rate, " %") + noise,
        f"{words.signed(interval[0], ' %')} to {words.signed(interval[1], ' %')}"
        if interval
        else _why(change["error_reason"]),
        [
            el("div", f"{words.signed(mean, ' %')} {group}")
            for group, mean in change["published_percent_per_year"].items()
        ],
    )


def _risk(document: Document) -> Html:
    risk = document["risk"]
    title = "Similarity to diagnosed groups"
    if risk is None:
        reasons = [el("li", r["message"].capitalize()) for r in document["reasons"]["risk"]]
        return _section(title, el("p", "The model gives no answer:"), el("ul", *reasons))
    groups = [
        _row(
            words.name(group),
            f"{100 * share:.0f} %",
            words.interval((risk["intervals95"] or {}).get(group)),
            charts.share_bar(share),
        )
        for group, share in risk["probabilities"].items()
    ]
    return _section(
        title,
        _table(SIMILAR, ("Group", "Similarity", "95 % interval", ""), groups),
        _assumed(risk["prevalence"]),
        _contributions(risk),
        _totals(risk["group_contributions"]),
        _missing(risk["missing"]),
    )


def _assumed(prevalence: Mapping[str, float] | None) -> Html | None:
    if not prevalence:
        return None
    shares = ", ".join(f"{words.name(g)} {100 * share:.0f} %" for g, share in prevalence.items())
    return el("p", f"For people of whom so many belong to each group: {shares}.", class_="why")


def _totals(totals: Mapping[str, float] | None) -> Html | None:
    """What the scan says in all, and what is known beside it."""
    if not totals:
        return None
    listed = ", ".join(f"{n} {words.signed(100 * v, ' points')}" for n, v in totals.items())
    return el("p", f"Together: {listed}.", class_="why")


def _contributions(risk: Document) -> Html:
    largest = max((abs(c["contribution"]) for c in risk["contributions"]), default=0.0)
    rows = [
        _row(
            words.name(c["feature"]),
            words.number(c["value"]),
            charts.contribution_bar(c["contribution"], largest),
            words.signed(100 * c["contribution"], " points"),
            c.get("sentence"),
        )
        for c in risk["contributions"]
    ]
    caption = (
        f"What moves the {words.name(risk['explained'])} from {100 * risk['base']:.0f} %"
        f" ({risk['baseline'] or 'its mean'}) to {100 * risk['output']:.0f} % (SHAP values)."
    )
    return _table(caption, ("Input", "Value", "Lowers or raises", "By", "In words"), rows)


def _missing(missing: Mapping[str, str]) -> Html | None:
    if not missing:
        return None
    listed = ", ".join(f"{words.name(n)} ({words.plain(why)})" for n, why in missing.items())
    return el("p", f"Not given to the model: {listed}.", class_="why")


def _health(document: Document) -> Html | None:
    if not document["health"]:
        return None
    rows = [
        _row(words.name(metric), words.number(given["value"]), words.plain(given["provenance"]))
        for metric, given in document["health"].items()
    ]
    caption = "The latest values of this account, which may be newer than the answer above."
    return _section("Health metrics", _table(caption, ("Metric", "Value", "Source"), rows))


def _provenance(document: Document) -> Html:
    entries: list[tuple[str, Child]] = [("Scan", el("code", document["id"]))]
    entries += [("Measured by", _engine(document["engine"]))] if document["engine"] else []
    answered = document["risk"] or document["risk_withheld"]
    entries += [("Model", _engine(answered["model"]))] if answered else []
    packs = document["atrophy"]["packs"]
    named = [f"{name} {pack['version']}" for name, pack in sorted(packs.items())]
    entries += [("Norms", ", ".join(named))] if named else []
    seconds = document["seconds"]
    steps = ", ".join(f"{words.plain(step)} {value:.1f} s" for step, value in seconds.items())
    entries += [("Time taken", steps)] if steps else []
    entries.append(("Status", words.STATUSES[document["status"]]))
    return _section(
        "Where this comes from",
        el("dl", *([el("dt", term), el("dd", text)] for term, text in entries)),
    )


def _engine(engine: Document) -> Child:
    return [
        f"{engine['name']} {engine['version']}, weights SHA-256 ",
        el("code", engine["weights_sha256"]),
    ]
