# SPDX-License-Identifier: Apache-2.0
"""Write and sign the atrophy service's norm packs, and measure how they carry over.

    python training/risk/norms/make_packs.py --facts DIR/norms.json --tables DIR/tables

Coefficients are copied by this program from the sourced facts. Beside them go summaries that are
computed here, with the service's own code, on healthy people that no pack was fitted to:
`evidence` (mean and SD of z in a sample), `sites` (SD between the mean z of sites) and
`population_sd` (SD of a measurement over people). No individual row leaves the tables.
`calibrations` come from what ``measure_offsets.py`` found about our engine.

The packs are signed with a key made for this run. Its public half is added to ``keys.json``, its
private half is thrown away with the process: nobody can sign anything else with it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sites import pool
from sources import VERSION, ixi, nomis, potvin
from tables import Healthy, freesurfer_people, ixi_freesurfer_people, synthseg_people

from memoryguard.atrophy.domain.calibrate import posterior
from memoryguard.atrophy.domain.norms import (
    Covariates,
    Expectation,
    expect,
    possible_scanners,
    z_score,
    z_slope,
)
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.packs import parse_pack
from memoryguard.atrophy.packs.signature import RELEASE_KEYS, sign, text_of

PACKS = Path(__file__).parents[3] / "services/atrophy/src/memoryguard/atrophy/packs"
YOUNGEST_YEARS = 50.0
OFFSETS = Path(__file__).with_name("offsets.json")
SITES = "healthy adults: fcon1000's sites, and IXI's hospitals where its FreeSurfer table has it"


def evidence(
    pack: Pack, region: str, people: list[Healthy], sample: str, software: str
) -> dict[str, Any] | None:
    """Mean and SD of z over the people of a sample that the pack covers and aged 50 or over."""
    values = [
        _z(pack, region, person)
        for person in _covered(pack, region, people)
        if person.age_years >= YOUNGEST_YEARS
    ]
    if len(values) < 2:
        return None
    return {
        "sample": sample,
        "software": software,
        "n": len(values),
        "mean_z": round(statistics.fmean(values), 4),
        "sd_z": round(statistics.stdev(values), 4),
    }


def site_spread(pack: Pack, region: str, people: list[Healthy]) -> dict[str, Any] | None:
    """SD between sites of the mean z, over every healthy adult of every site at hand."""
    by_site: dict[str, list[float]] = {}
    for person in _covered(pack, region, people):
        by_site.setdefault(person.site, []).append(_z(pack, region, person))
    if len(by_site) < 2:
        return None
    pooled = pool(by_site)
    return {
        "sd_z": round(pooled.tau, 4),
        "ci95": [round(edge, 4) for edge in pooled.tau_ci95],
        "n_sites": pooled.sites,
        "n_people": pooled.people,
        "sample": SITES,
    }


def population_sd(pack: Pack, region: str, people: list[Healthy]) -> float | None:
    """SD over people on the scale of the response, age and head size included."""
    values = [person.values[region] for person in _covered(pack, region, people)]
    if len(values) < 2:
        return None
    logarithmic = pack.regions[region].response == "log10_mm3"
    return _rounded(statistics.stdev(map(math.log10, values) if logarithmic else values))


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _covered(pack: Pack, region: str, people: list[Healthy]) -> list[Healthy]:
    low, high = pack.valid_age_years
    return [p for p in people if low <= p.age_years <= high and region in p.values]


def _z(pack: Pack, region: str, person: Healthy) -> float:
    covariates = Covariates(person.age_years, person.male, person.icv_mm3)
    scanners = possible_scanners(person.field_strength_t, person.manufacturer)
    return z_score(person.values[region], expect((pack,), region, covariates, scanners))


def calibration(pack: Pack, icv_ln_sd: float) -> dict[str, Any] | None:
    """Offset of our engine to the pack, by region: what was measured, and what was to be expected.

    The prior's SD is turned from z into the logarithm of a volume at the middle of the norm.
    """
    measured = json.loads(OFFSETS.read_text(encoding="utf-8"))
    priors = {"intracranial": icv_ln_sd}
    for region in measured["regions"]:
        spread = pack.other_program_sd_z(region)
        if region in pack.regions and spread:
            middle = _middle(pack, region)
            priors[region] = spread / (z_slope(middle.expected, middle) * middle.expected)
    regions: dict[str, dict[str, float]] = {}
    for region, found in measured["regions"].items():
        if region not in priors:
            continue
        spread_ln = _spread_ln(region, measured["regions"])
        offset = posterior(
            found["mean_ln"], spread_ln, measured["n"], priors[region], measured["data"]
        )
        regions[region] = {
            "ratio": round(offset.ratio, 5),
            "ln_sd": round(offset.ln_sd, 5),
            "measured_ratio": round(math.exp(found["mean_ln"]), 5),
            "measured_sd_ln": found["sd_ln"],
            "prior_ln_sd": round(priors[region], 5),
        }
    named = {key: measured[key] for key in ("engine", "version", "software", "n", "data")}
    return {**named, "regions": regions} if len(regions) > 1 else None


def _spread_ln(region: str, measured: dict[str, dict[str, float]]) -> float:
    """SD over the heads; of a side, the root mean square of both sides': three heads are few."""
    name, _, side = region.rpartition("_")
    both = [f"{name}_left", f"{name}_right"] if side in ("left", "right") else [region]
    return math.sqrt(statistics.fmean(measured[each]["sd_ln"] ** 2 for each in both))


def _middle(pack: Pack, region: str) -> Expectation:
    """Expectation for a woman of 65 whose head has the norms' mean size."""
    covariates = Covariates(65.0, male=False, icv_mm3=1.45e6)
    return expect((pack,), region, covariates, possible_scanners(None, None))


def intracranial_ln_sd(facts: dict[str, Any]) -> float:
    """SD of ln(ratio) of another program's head size: SynthSeg's to FreeSurfer's on IXI, by sex."""
    table = facts["models"]["icv_by_sex"]["table"]
    free, synth = table["IXI FreeSurfer eTIV"], table["IXI 50+ SynthSeg TIV"]
    offsets = [math.log(synth[sex][1] / free[sex][1]) for sex in ("female", "male")]
    return round(math.sqrt(statistics.fmean(each**2 for each in offsets)), 4)


def documents(facts: Path, tables: Path) -> list[dict[str, Any]]:
    """Every pack as a document, with what was measured about it."""
    sources = json.loads(facts.read_text(encoding="utf-8"))
    fcon, ixi_free = freesurfer_people(tables), ixi_freesurfer_people(tables)
    synthseg = synthseg_people(tables)
    free = ("fcon1000, healthy, 50 and over", "FreeSurfer", fcon)
    synth = ("IXI, healthy, 50 and over", "SynthSeg", synthseg)
    icv_ln_sd = intracranial_ln_sd(sources)
    made: list[dict[str, Any]] = []
    # A pack is never judged on the people it was fitted to.
    for document, samples, at_sites, population in (
        (potvin(sources), (free, synth), [*fcon, *ixi_free], fcon),
        (nomis(sources), (free, synth), [*fcon, *ixi_free], fcon),
        (ixi(sources), (free,), [], synthseg),
    ):
        pack = parse_pack(document)
        document |= {"sites": {}, "population_sd": {}, "intracranial_ln_sd": icv_ln_sd}
        for region in pack.regions:
            found = [evidence(pack, region, people, name, sw) for name, sw, people in samples]
            if rows := [row for row in found if row]:
                document["evidence"][region] = rows
            if spread := site_spread(pack, region, at_sites):
                document["sites"][region] = spread
            if sd := population_sd(pack, region, population):
                document["population_sd"][region] = sd
        if pack.software.startswith("FreeSurfer"):
            offsets = calibration(parse_pack(document), icv_ln_sd)
            document["calibrations"] = [offsets] if offsets else []
        made.append(document)
    return made


def main() -> None:
    """Write and sign every pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    arguments = parser.parse_args()
    key = Ed25519PrivateKey.generate()
    for document in documents(arguments.facts, arguments.tables):
        path = PACKS / f"{document['name']}.json"
        text = json.dumps(document, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        sign(path, key)
    trusted = json.loads(RELEASE_KEYS.read_text(encoding="utf-8")) if RELEASE_KEYS.exists() else {}
    trusted[f"norms {VERSION}"] = text_of(key.public_key())
    RELEASE_KEYS.write_text(json.dumps(trusted, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
