# SPDX-License-Identifier: Apache-2.0
"""What stands in a report for clinicians, ready to be set. Pure; nothing is computed here.

One scan shows what is low or large for age, not loss over time; the model says how similar a
person is to diagnosed groups today. The sentences keep to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from memoryguard.api import words
from memoryguard.api.report import curves
from memoryguard.api.report.centiles import CLASSES, EDGES, hexadecimal
from memoryguard.api.report.proof import Printed, code, printed

Document: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = dict[str, Any]

VOLUMES = (
    *("hippocampus_total", "hippocampus_left", "hippocampus_right"),
    *("lateral_ventricles", "lateral_ventricle_left", "lateral_ventricle_right"),
    *("third_ventricle", "cortical_grey_matter", "cerebral_white_matter", "total_brain"),
)
CHANGES = ("hippocampus_total", "lateral_ventricles", "total_brain", "cortical_grey_matter")
MOST_SENTENCES = 4
"""Of what moves the similarity, the largest."""
MOST_NOTES = 6
SEXES = {"F": "female", "M": "male", "O": "other"}
WHY = {
    "no_norm_for_region": "no norm for this structure",
    "norm_not_transferable": "norm does not carry over to this engine",
    "not_informative": "not stated: too uncertain to inform",
    "fewer_than_two_scans": "there is no earlier scan to compare with",
    "no_earlier_scan": "there is no earlier scan to compare with",
    "not_ready": "not there yet",
}
FLAGS = {
    "scanner_unknown": "The scan does not tell its kind of scanner apart: the spread between kinds"
    " is part of every uncertainty.",
    "intracranial_unusual": "The inside of the skull has an unusual size; every comparison takes"
    " account of it.",
}
LIMITS = (
    "Research software, not a medical device: no finding here replaces reading the images.",
    "± and error bars are one standard deviation. The uncertainty of z adds those of measurement,"
    " norm, scanner, software version and head size.",
    "One scan shows low or large volume for age. It does not show loss over time, nor its cause.",
    "Centiles are those of healthy volunteers in the norms' studies, who need not resemble this"
    " person in origin, education or health.",
)
EVENTS = {
    "memoryguard.scan.received.v1": "Scan received",
    "memoryguard.volumes.extracted.v1": "Volumes measured",
    "memoryguard.volumes.refused.v1": "Scan refused",
    "memoryguard.atrophy.scored.v1": "Compared with norms",
    "memoryguard.risk.predicted.v1": "Similarity estimated",
    "memoryguard.risk.withheld.v1": "Similarity withheld",
}


def facts_of(document: Document) -> Facts:
    """Gather what a report says.

    Parameters
    ----------
    document
        The analysis with its proof (`analysis_document`, `proof_of`).
    """
    return {
        "title": "Quantitative brain MRI report",
        "head": list(_head(document)),
        "date": document["updated_at"][:10],
        "scan": document["id"],
        "overall": overall(document),
        "summaries": [s["sentence"] for s in document["atrophy"]["summaries"].values()],
        "classes": [{"name": name, "colour": hexadecimal(c)} for name, c in CLASSES],
        "edges": list(EDGES.values()),
        "regions": [*_volumes(document), *_thickness(document)],
        "curves": curves.curves(document),
        "curve_colours": curves.COLOURS,
        "change": change(document),
        "similarity": similarity(document),
        "quality": quality(document),
        "limits": [*LIMITS, *_norm_limits(document)],
        "sources": list(_sources(document)),
        "proof": proof(document),
    }


def why(reason: str | None) -> str:
    """Write the reason of something that is not there."""
    return WHY.get(reason or "", words.plain(reason or "not measured"))


def overall(document: Document) -> str:
    """Say in a sentence what the scan shows, or why it shows nothing."""
    if error := document.get("error"):
        return f"No result: {error['message']}."
    atrophy = document["atrophy"]
    region = atrophy["overall_region"]
    direction = (atrophy["regions"].get(region) or {}).get("direction")
    said = words.overall(
        atrophy["overall"], region, direction, at_least=atrophy["overall_at_least"]
    )
    reason = document["reasons"].get("atrophy", {}).get("overall")
    return f"{said} Reason: {why(reason)}." if reason else said


def quality(document: Document) -> Facts:
    """Say whether the scan could be measured, and what speaks against it."""
    said = document["quality"]
    notes = [reason["message"] for reason in (said or {}).get("reasons", ())]
    flags = [FLAGS.get(f, _sentence(words.plain(f))) for f in document["atrophy"]["flags"]]
    if hint := document.get("error", {}).get("hint"):
        notes.append(hint)
    verdict = said and said["verdict"]
    return {
        "verdict": words.VERDICTS.get(verdict, "Nothing was measured."),
        "good": verdict == "accepted",
        "notes": [*map(_sentence, notes), *flags][:MOST_NOTES],
    }


def _sentence(message: str) -> str:
    end = "" if message.endswith(".") else "."
    return f"{message[:1].upper()}{message[1:]}{end}"


def change(document: Document) -> Facts:
    """Change a year by structure, with its interval; or why there is none."""
    said = document["atrophy"]["change"]
    rows = [_changed(name, said[name]) for name in CHANGES if name in said]
    reason = document["reasons"].get("atrophy", {}).get("change", "no_earlier_scan")
    return {"rows": rows, "reason": None if rows else why(reason)}


def _changed(name: str, said: Document) -> Facts:
    rate, interval = said["percent_per_year"], said["ci95_percent_per_year"]
    noise = said["within_measurement_noise"]
    published = (said.get("published_percent_per_year") or {}).items()
    return {
        "name": words.name(name),
        "rate": why(said.get("reason")) if rate is None else words.signed(rate, " %"),
        "interval": " to ".join(words.signed(each, " %") for each in interval)
        if interval
        else f"none: {why(said.get('error_reason'))}",
        "years": f"{said['interval_years']:.1f}",
        "scans": said["scans"],
        "words": {True: "within measurement noise", False: "beyond measurement noise"}.get(
            noise, "cannot be told from noise"
        ),
        "published": [
            f"{words.signed(mean, ' %', 2)} {group}" for group, mean in sorted(published, key=_size)
        ],
    }


def _size(published: tuple[str, float]) -> tuple[float, str]:
    return abs(published[1]), published[0]


def similarity(document: Document) -> Facts:
    """Similarity to each group with its interval; or why the model says nothing."""
    risk = document["risk"]
    if risk is None:
        reasons = document["reasons"].get("risk") or []
        return {"groups": [], "withheld": [reason["message"] for reason in reasons]}
    intervals, prevalence = risk.get("intervals95") or {}, risk.get("prevalence") or {}
    largest = sorted(risk["contributions"], key=lambda c: -abs(c["contribution"]))
    return {
        "groups": [
            {
                "name": words.name(group),
                "share": share,
                "text": f"{100 * share:.0f} %",
                "interval": words.interval(intervals.get(group)),
                "prevalence": f"{100 * prevalence[group]:.0f} %" if group in prevalence else "",
            }
            for group, share in risk["probabilities"].items()
        ],
        "sentences": [c["sentence"] for c in largest if c.get("sentence")][:MOST_SENTENCES],
        "missing": [words.name(name) for name in risk["missing"]],
        "withheld": [],
    }


def proof(document: Document) -> Facts:
    """Say which events are in the log, and draw the code that proves it."""
    block = document["proof"]
    found: Printed | None = printed(block)
    rows = [
        {"name": EVENTS.get(each["type"], each["type"]), "entry": str(each["sequence"])}
        for each in block["events"]
    ]
    waiting = [
        {"name": EVENTS.get(each["type"], each["type"]), "entry": words.plain(each["reason"])}
        for each in block["pending"]
    ]
    facts: Facts = {"rows": [*rows, *waiting], "code": None}
    if found is None:
        return facts
    return facts | {
        "code": code(found.text),
        "event": EVENTS.get(found.type, found.type),
        "entry": str(found.sequence),
        "leaf": found.leaf.hex(),
        "origin": found.origin,
        "size": str(found.size),
        "root": found.root.hex(),
    }


def _head(document: Document) -> Iterator[list[str]]:
    person, made = document["person"] or {}, document["acquisition"] or {}
    age = person.get("age_years")
    sex = SEXES.get(person.get("sex") or "", "sex not known")
    spacing = made.get("spacing_mm")
    yield ["Account", document["user_id"] or "not linked"]
    yield ["Person", f"{age:.0f} years, {sex}" if age is not None else f"age not known, {sex}"]
    yield ["Series", made.get("series") or "not said"]
    yield ["Scanner", _scanner(made)]
    yield ["Voxel", f"{' × '.join(f'{s:.2g}' for s in spacing)} mm" if spacing else "not said"]
    yield ["Analysed", f"{document['updated_at'][:16].replace('T', ' ')} UTC"]
    yield ["Scan", document["id"]]


def _scanner(made: Document) -> str:
    field = made.get("field_strength_t")
    said = [made.get("manufacturer"), made.get("scanner_model"), field and f"{field:g} T"]
    return ", ".join(part for part in said if part) or "not said"


def _volumes(document: Document) -> Iterator[Facts]:
    for name in VOLUMES:
        said = document["atrophy"]["regions"].get(name)
        if said and said["volume_mm3"] is not None:
            value = words.volume(said["volume_mm3"], said.get("error_sd_mm3"))
            median = said.get("median_mm3")
            yield _row(name, said, value, words.volume(median) if median else "")


def _thickness(document: Document) -> Iterator[Facts]:
    said = document["atrophy"]["thickness"].get("cortex_mean")
    if said and said.get("thickness_mm") is not None:
        median = said.get("median_mm")
        value = words.thickness(said["thickness_mm"], said.get("error_sd_mm"))
        yield _row("cortex_mean", said, value, words.thickness(median) if median else "")


def _row(name: str, said: Document, value: str, expected: str) -> Facts:
    z, sd, centile = said["z"], said["z_sd"], said["centile"]
    band = said.get("centile_band")
    return {
        "key": name,
        "name": words.name(name),
        "part": name.endswith(("_left", "_right")),
        "value": value,
        "expected": expected,
        "z": z,
        "sd": sd,
        "z_text": "" if z is None else words.signed(z, f" ± {sd:.1f}" if sd is not None else ""),
        "centile": "" if centile is None else words.centile(centile, band and tuple(band)),
        "words": why(said["reason"]) if z is None else _verdict(said),
    }


def _verdict(said: Document) -> str:
    return (
        words.severity(said["severity"], said["direction"])
        .replace(" for age", "")
        .removeprefix("within the ")
        .removesuffix(" to say")
    )


def _norm_limits(document: Document) -> Iterator[str]:
    packs = document["atrophy"]["packs"]
    if packs:
        named = "; ".join(f"{name} (measured by {p['software']})" for name, p in packs.items())
        yield f"Norms: {named}. This engine's offset to that software is part of the uncertainty."
    if document["acquisition"] and document["atrophy"]["site"] is None and packs:
        yield (
            "This scanner has no calibration of its own: values are compared over all the norms'"
            " sites."
        )


def _sources(document: Document) -> Iterator[list[str]]:
    scan = document["proof"].get("scan")
    if scan:
        yield [f"Scan as stored, {scan['instances']} files", "", scan["sha256"]]
    for label, engine in (("Engine", document["engine"]), ("Model", _model(document))):
        if engine:
            yield [f"{label} {engine['name']}", engine["version"], engine["weights_sha256"] or ""]
    for name, pack in document["atrophy"]["packs"].items():
        yield [f"Norm {name}", pack["version"], pack["sha256"]]
    for name, artifact in document["artifacts"].items():
        yield [f"File {name}", "", artifact["sha256"]]


def _model(document: Document) -> Document | None:
    answered = document["risk"] or document["risk_withheld"]
    return answered and answered["model"]
