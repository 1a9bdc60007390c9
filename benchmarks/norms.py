# SPDX-License-Identifier: Apache-2.0
"""How the norms centre on healthy people that they were not made of, beside other norms.

Sites are random effects (REML): the mean z over sites with its 95 % interval, and the SD between
sites. The SD of z is over people, with its interval by bootstrap of sites. Shares beyond the 5th
and 95th centile carry Wilson's interval. What the product would do is marked; its peers are each
pack alone, and NiChart's DLMUSE centiles (made for another program, without head size).

    python benchmarks/norms.py [DATA_TABLES_FOLDER] [--facts FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import Result, table

from memoryguard.atrophy.domain.calibrate import site_offset
from memoryguard.atrophy.domain.choice import choices
from memoryguard.atrophy.domain.measure import Engine
from memoryguard.atrophy.domain.norms import CI95_Z, Covariates, expect, possible_scanners, z_score
from memoryguard.atrophy.domain.pack import Pack
from memoryguard.atrophy.packs import load_packs

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "training/risk/norms"))
from sites import pool  # noqa: E402
from tables import (  # noqa: E402  # read the way the packs' makers read them
    Healthy,
    freesurfer_people,
    ixi_freesurfer_people,
    linear_index_people,
    synthseg_people,
)

CENTILE_5_Z = 1.6448536269514722
MEAN_AIM, SD_AIM = 0.3, (0.80, 1.15)
RESAMPLES = 1000
SEED = 6
OLD_YEARS = 50.0
FEWEST_TO_SPLIT = 20
SHOWN = (
    "hippocampus_left",
    "hippocampus_right",
    "hippocampus_total",
    "lateral_ventricles",
    "third_ventricle",
    "total_brain",
    "cortical_grey_matter",
    "cortex_mean",
)
AIMED_AT = ("hippocampus", "ventricle")
NICHART = {
    "hippocampus_left": "Hippocampus_L",
    "hippocampus_right": "Hippocampus_R",
    "lateral_ventricle_left": "LateralVentricle_L",
    "lateral_ventricle_right": "LateralVentricle_R",
    "third_ventricle": "3rdVentricle",
    "total_brain": "TotalBrain",
}
NICHART_CENTILES_Z = (-CENTILE_5_Z, -0.6744897501960817, 0.0, 0.6744897501960817, CENTILE_5_Z)
Norm = Callable[[str, Healthy], float | None]
"""z of a person's region, None where the norm has none for it."""


@dataclass(frozen=True)
class Sample:
    """Healthy people measured with one program, and the norms they are set beside."""

    name: str
    people: list[Healthy]
    ours: str
    norms: Mapping[str, Norm]


def of_packs(packs: Mapping[str, Pack], names: Sequence[str]) -> Norm:
    """Give the mean of some packs, with people's scanners as far as they are known."""
    chosen = [packs[name] for name in names]

    def z(region: str, person: Healthy) -> float | None:
        if not all(region in pack.regions and _covers(pack, person) for pack in chosen):
            return None
        return _z(chosen, region, person)

    return z


def of_product(packs: Mapping[str, Pack], engine: Engine) -> Norm:
    """Give what the product chooses for a program."""
    chosen = choices(engine, packs)

    def z(region: str, person: Healthy) -> float | None:
        choice = chosen.get(region)
        found = [packs[name] for name in choice.packs] if choice else []
        if not found or not all(_covers(pack, person) for pack in found):
            return None
        return _z(found, region, person)

    return z


def _covers(pack: Pack, person: Healthy) -> bool:
    low, high = pack.valid_age_years
    return low <= person.age_years <= high


def _z(packs: Sequence[Pack], region: str, person: Healthy) -> float:
    covariates = Covariates(person.age_years, person.male, person.icv_mm3)
    scanners = possible_scanners(person.field_strength_t, person.manufacturer)
    return z_score(person.values[region], expect(packs, region, covariates, scanners))


def of_nichart(facts: Mapping[str, Any]) -> Norm:
    """Give z of the DLMUSE centiles: linear between their ages and between their five centiles."""
    by_sex = facts["models"]["nichart_dlmuse_centiles"]["table"]

    def z(region: str, person: Healthy) -> float | None:
        rows = by_sex["males" if person.male else "females"].get(NICHART.get(region, ""))
        ages = sorted(map(int, rows)) if rows else []
        if not rows or not ages[0] <= person.age_years <= ages[-1]:
            return None
        place = max(1, bisect_left(ages, person.age_years))
        low, high = ages[place - 1], ages[place]
        share = (person.age_years - low) / (high - low)
        edges = [a + share * (b - a) for a, b in zip(rows[str(low)], rows[str(high)], strict=True)]
        return _between(person.values[region], edges)

    return z


def _between(value: float, edges: Sequence[float]) -> float:
    place = min(len(edges) - 1, max(1, bisect_left(edges, value)))
    low, high = edges[place - 1], edges[place]
    step = NICHART_CENTILES_Z[place] - NICHART_CENTILES_Z[place - 1]
    return NICHART_CENTILES_Z[place - 1] + step * (value - low) / (high - low)


def centring(by_site: Mapping[str, Sequence[float]]) -> Result:
    """Mean, spread between sites, SD and shares beyond the centiles, each with its interval."""
    values = [z for zs in by_site.values() for z in zs]
    found: Result = {"n": len(values), "sites": len(by_site), "sd": statistics.stdev(values)}
    found["sd_ci95"] = _sd_interval(by_site)
    if len(by_site) > 1:
        pooled = pool(by_site)
        found |= {"mean": pooled.mean, "mean_ci95": pooled.ci95}
        found |= {"tau": pooled.tau, "tau_ci95": pooled.tau_ci95}
    else:
        mean, se = statistics.fmean(values), found["sd"] / math.sqrt(len(values))
        found |= {"mean": mean, "mean_ci95": (mean - CI95_Z * se, mean + CI95_Z * se), "tau": None}
    found["below_5th"] = _share(sum(z < -CENTILE_5_Z for z in values), len(values))
    found["above_95th"] = _share(sum(z > CENTILE_5_Z for z in values), len(values))
    return found


def _sd_interval(by_site: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Bootstrap over sites, or over people where there are too few sites to draw from."""
    chance, groups = random.Random(SEED), list(by_site.values())  # not a secret
    units: list[Sequence[float]] = groups if len(groups) > 5 else [[z] for g in groups for z in g]
    found = sorted(
        statistics.stdev([z for unit in chance.choices(units, k=len(units)) for z in unit])
        for _ in range(RESAMPLES)
    )
    return found[round(0.025 * RESAMPLES)], found[round(0.975 * RESAMPLES) - 1]


def _share(count: int, n: int) -> tuple[float, float, float]:
    """Percent with Wilson's 95 % interval."""
    share, square = count / n, CI95_Z**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = CI95_Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return 100 * share, 100 * max(0.0, middle - half), 100 * (middle + half)


def measure(sample: Sample, oldest: bool) -> list[Result]:
    """Centring of every norm on a sample, region by region."""
    rows: list[Result] = []
    people = [p for p in sample.people if p.age_years >= (OLD_YEARS if oldest else 18.0)]
    regions = [r for r in SHOWN if any(r in person.values for person in people)]
    for region in regions:
        for name, norm in sample.norms.items():
            by_site: dict[str, list[float]] = {}
            for person in people:
                z = norm(region, person) if region in person.values else None
                if z is not None:
                    by_site.setdefault(person.site, []).append(z)
            if sum(map(len, by_site.values())) > 10:
                ours = name == sample.ours
                rows.append({"region": region, "norm": name, "ours": ours, **centring(by_site)})
    return rows


def said(rows: Iterable[Result]) -> None:
    """Print a table of `measure`'s rows."""
    table(
        ("region", "norm", "n (sites)", "mean z (95 %)", "between sites (95 %)", "SD of z (95 %)",
         "below 5th %", "above 95th %", "aim"),
        (_cells(row) for row in rows),
    )  # fmt: skip


def _cells(row: Result) -> tuple[str, ...]:
    spread = "" if row["tau"] is None else _with_interval(row["tau"], row["tau_ci95"], "")
    return (
        row["region"].replace("_", " "),
        row["norm"] if row["ours"] else f"*{row['norm']}*",
        f"{row['n']} ({row['sites']})",
        _with_interval(row["mean"], row["mean_ci95"], "+"),
        spread,
        _with_interval(row["sd"], row["sd_ci95"], ""),
        _percent(row["below_5th"]),
        _percent(row["above_95th"]),
        _aim(row),
    )


def _with_interval(value: float, interval: tuple[float, float], sign: str) -> str:
    low, high = interval
    return f"{value:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})".replace("-", "−")


def _percent(share: tuple[float, float, float]) -> str:
    return f"{share[0]:.1f} ({share[1]:.1f}–{share[2]:.1f})"


def _aim(row: Result) -> str:
    """Whether mean and SD are what was aimed at for hippocampi and ventricles."""
    if not row["ours"] or not any(name in row["region"] for name in AIMED_AT):
        return ""
    missed = [] if abs(row["mean"]) <= MEAN_AIM else ["mean"]
    missed += [] if SD_AIM[0] <= row["sd"] <= SD_AIM[1] else ["SD"]
    return f"missed: {', '.join(missed)}" if missed else "reached"


def samples(tables: Path, facts: Mapping[str, Any]) -> list[Sample]:
    """Every sample, with the norms that were not made of it."""
    packs = load_packs()
    potvin = of_packs(packs, ("potvin_2016_2017",))
    nomis = of_packs(packs, ("nomis_fs6",))
    both = of_packs(packs, ("potvin_2016_2017", "nomis_fs6"))
    product = of_product(packs, Engine("freesurfer", ""))
    ixi = of_packs(packs, ("ixi_synthseg_fit",))
    peers = {"Potvin alone": potvin, "NOMIS alone": nomis, "NiChart DLMUSE": of_nichart(facts)}
    free = {"ours (version unknown)": product, **peers}
    return [
        Sample("1000 Functional Connectomes, FreeSurfer, version and scanner not stated",
               freesurfer_people(tables), "ours (version unknown)", free | {"IXI fit": ixi}),
        Sample("IXI, FreeSurfer", ixi_freesurfer_people(tables), "ours (version unknown)", free),
        Sample("IXI, SynthSeg (the IXI fit was made of them: not judged here)",
               synthseg_people(tables), "", {"mean of both": both, **peers}),
        Sample("IXI, lateral ventricles by another program", linear_index_people(tables),
               "", {"mean of both": both, **peers}),
    ]  # fmt: skip


def with_controls(sample: Sample) -> Result:
    """Calibrate each larger site by half of its people, and judge the others, before and after."""
    norm, packs = sample.norms[sample.ours], load_packs()
    sites: dict[str, list[Healthy]] = {}
    for person in sample.people:
        if person.age_years >= 18.0:
            sites.setdefault(person.site, []).append(person)
    found: Result = {}
    for region in SHOWN:
        before: dict[str, list[float]] = {}
        after: dict[str, list[float]] = {}
        spread = max(p.site_sd_z(region) for p in packs.values() if region in p.sites)
        for site, people in sites.items():
            zs = [z for p in people if region in p.values and (z := norm(region, p)) is not None]
            if len(zs) >= FEWEST_TO_SPLIT:
                offset = site_offset("", zs[::2], spread)
                before[site] = zs[1::2]
                after[site] = [z - offset.mean_z for z in zs[1::2]]
        if len(before) > 1:
            found[region] = {"before": centring(before), "after": centring(after)}
    return found


def said_of_controls(found: Result) -> None:
    """Print a table of `with_controls`."""
    rows: list[tuple[str, ...]] = []
    for region, both in found.items():
        cells = [region.replace("_", " "), f"{both['before']['n']} ({both['before']['sites']})"]
        for when in (both["before"], both["after"]):
            cells.append(_with_interval(when["mean"], when["mean_ci95"], "+"))
            cells.append(_with_interval(when["tau"], when["tau_ci95"], ""))
            cells.append(f"{when['sd']:.2f}")
        rows.append(tuple(cells))
    columns = ("mean z", "between sites", "SD")
    heads = [f"{column}, {when}" for when in ("before", "after") for column in columns]
    table(("region", "n (sites)", *heads), rows)


def left_out(facts: Mapping[str, Any]) -> None:
    """Print the IXI fit made without one hospital and judged on it, as the facts have it."""
    regions = facts["models"]["ixi_synthseg_fit"]["regions"]
    rows = [
        (name.removeprefix("log10_").replace("_", " "), site, n, f"{mean:+.2f}", f"{sd:.2f}",
         f"{mean / 1.3:+.2f}", f"{sd / 1.3:.2f}")
        for name, region in regions.items()
        for site, (mean, sd, n) in region["leave_site_out"].items()
    ]  # fmt: skip
    table(("region", "hospital", "n", "mean z", "SD", "mean, divided by 1.3", "SD, so"), rows)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    shared = HERE.parents[1] / "shared"
    parser.add_argument("tables", type=Path, nargs="?", default=shared / "data/tables")
    parser.add_argument("--facts", type=Path, default=shared / "facts/norms.json")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not (args.tables.is_dir() and args.facts.is_file()):
        raise SystemExit("no tables of healthy people found: nothing measured")
    facts = json.loads(args.facts.read_text(encoding="utf-8"))
    results: Result = {}
    for sample in samples(args.tables, facts):
        young = any(person.age_years < OLD_YEARS for person in sample.people)
        for oldest in (False, True) if young else (True,):
            name = f"{sample.name}, {'50 and over' if oldest else '18 and over'}"
            rows = measure(sample, oldest)
            print(f"\n**{name}**")
            said(rows)
            results[name] = rows
    free = samples(args.tables, facts)[0]
    print("\n**Sites of 20 and more, the other half of each calibrated by one half**")
    results["with controls"] = with_controls(free)
    said_of_controls(results["with controls"])
    print("\n**IXI fit, each hospital judged by a fit without it**")
    left_out(facts)
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
