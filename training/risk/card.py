# SPDX-License-Identifier: Apache-2.0
"""Write the model card from the manifest and the figures: none of this model's is typed here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cohort import ASSUMPTIONS, HEALTHY, read

HEAD = """# Model card: {name} {version}

**What it says.** How similar a person is, today, to each of three diagnosed groups: cognitively
normal (CN), mild cognitive impairment (MCI) and dementia. `dementia_similarity` is the probability
of the third among people who are mixed like this: {prevalence} ({prevalence_source}). That is a
recruited cohort, no population: a deployment states its own (`MEMORYGUARD_ML_PREVALENCE`). It is
no diagnosis, no forecast, and not the probability that the person has or will get dementia.
Research only.

**What it is asked with.** {inputs}. Age, sex and one of {one_of} are needed. A z is the distance
from healthy people of that age, sex and head size by the norm of the software that measured
(service atrophy): so the model is not tied to one program. What else is gathered (volumes over
head size, thickness, ratios, asymmetry, further z and rates) stands in the event with its reasons
and is open to any other model; this one leaves it out because no moments of groups are published
for it in what we have.

**What it is.** One multinomial logistic regression for each of the {patterns} sets of known inputs,
all in one ONNX file (opset 17, double precision, scaling inside). A missing input is NaN and never
filled in: the file picks the coefficients of exactly what is known. From CN to MCI to dementia
every coefficient is ordered where medicine says so ({signs}): in every set the probability of
dementia goes one way with that input, everywhere. Age, sex and schooling are free.

**Where it comes from.** {fit:,} people of each group drawn from means and covariances
(`training/risk/moments.json`), which were computed from a **synthetic** copy of ADNI rows
(synthpop), not from ADNI. They carry that cohort's selection (long schooling, few illnesses
beside). Nobody's row was fitted on, and nothing measured on below entered the fit. Beside the
moments it rests on:

{sources}

and on what nobody has published in what we have, **assumed**:

{assumed}

**Intervals.** {bootstraps} bootstraps draw the moments anew (as many people as they were computed
from) and fit everything again; times draws of the inputs' own errors (z's, the rate's), taken as
independent. The assumptions above are not varied: an interval is that of the moments, not of the
world. Errors of MoCA and MMSE themselves are part of the groups' spread.

**Explanation.** Exact Shapley values of the probability of dementia as deployed, over 99 drawn
people mixed by the prevalence (`background.json`); the players are the known inputs. They add up
within 1e-6 or no answer is given, and are held against shap's ExactExplainer at every start.

**When it says nothing.** Scan refused; age, sex or every z missing; an input outside mean ±
{range_sd:g} SD of every group. A rate with an error above {rate_sd:g} % a year (as much as people
differ) counts as not known.
"""

OUTSIDE = """
## On people it has not seen: OASIS-1
`python benchmarks/risk.py`. {asked} people of 60 and over, one visit each, {ill} with CDR > 0; the
similarity to MCI or dementia (1 - CN) against CDR > 0. The table has whole-brain volume and head
size alone. 95 % intervals by bootstrap. Peers are single columns on the same people.

{auc}

Its brain volume is FAST's, not FreeSurfer's: the brains of its {healthy} healthy people under 60
lie at a mean z of {offset:+.2f} (SD {offset_sd:.2f}). *Shifted* takes that mean off; those people
are not among those asked about. The table's own share of CDR 0 is {share:.0%}.

{calibration}

By sex and age, as it comes:

{strata}
"""

DRAWS = """
## On fresh draws
{n:,} people drawn with another seed, as many of each group: this measures the fit, not the world.
Brier is added up over the groups; "shares" is what always stating the groups' shares would score.
Slope and intercept are dementia's.

{known}

{strata}

Reliability of `dementia_similarity` with everything known:

{reliability}

## Sanity check on the synthetic ADNI rows
{rows} rows (CN {cn}, MCI {mci}, dementia {dementia}), at the table's own shares. The moments came
from these very rows: **it validates nothing**.

{table}
"""

TAIL = """
## Where it is weak
- **Without a test of cognition it knows little.** Of the brain alone it separates CDR > 0 from
  CDR 0 no better than the brain's volume itself does, and schooling adds a little.
- **With MMSE it is MMSE, mostly**: see the last column of the first table.
- On OASIS-1 the similarity to MCI or dementia is stated too high at the default prevalence, and
  with MMSE its differences are too large (slope below 1): MMSE in the draws is a crosswalk of MoCA.
- One choice was made after a first look at OASIS-1: the groups' ages and sexes are made equal
  (see above). Before, older age itself spoke for dementia, and the AUC there was .650 without and
  .681 with schooling, .863 with MMSE and .865 with both (1 - CN).
- MCI overlaps both neighbours: its probability is the least certain of the three.
- Cognition is part of the diagnoses: MoCA and MMSE flatter any model that is measured by them.
- Ventricles and whole brain of the groups are derived, not measured (see *assumed*); on OASIS-1
  the brain tells more than the model believes (slope above 1 without MMSE). The rate is drawn as
  independent of volume and cognition: how much it adds on the draws is too good to be true.
- All of it is about Alzheimer's disease; it says nothing of other dementias.
- Ethnicity is not in the moments at all; nor is anyone under {youngest:.0f}.
- Hippocampal z, rates, MoCA and APOE4 have not been measured on real patients here.

## Reproduce
`training/risk/README.md`; seeds, versions and every file's SHA-256 are in `manifest.json`.
"""


def render(manifest: dict[str, Any], report: dict[str, Any], outside: dict[str, Any]) -> str:
    """Markdown text of the card."""
    made = manifest["made"]
    inputs = {each["name"]: each for each in manifest["inputs"]}
    rises = [name for name, sign in made["signs"].items() if sign > 0]
    falls = [name for name, sign in made["signs"].items() if sign < 0]
    head = HEAD.format(
        name=manifest["name"],
        version=manifest["version"],
        prevalence=", ".join(f"{n} {s:.1%}" for n, s in manifest["prevalence"].items()),
        prevalence_source=manifest["prevalence_source"],
        inputs=", ".join(f"`{name}`" for name in inputs),
        one_of=", ".join(f"`{name}`" for name in manifest["one_of"]),
        patterns=2 ** sum(not each["required"] for each in inputs.values()),
        signs=f"up with {', '.join(rises)}; down with {', '.join(falls)}",
        fit=made["per_class"]["fit"],
        sources=_sources(),
        assumed="\n".join(f"- {line}." for line in read(ASSUMPTIONS)["assumed"]),
        bootstraps=made["bootstraps"],
        range_sd=made["range_sd"],
        rate_sd=inputs["hippocampus_percent_per_year"]["largest_error_sd"],
    )
    tail = TAIL.format(youngest=inputs["age_years"]["low"])
    return head + _outside(outside["oasis"]) + _draws(report) + tail


def _sources() -> str:
    documents = [each for each in read(ASSUMPTIONS).values() if isinstance(each, dict)]
    lines = [f"- {each['what']}: {each['source']} ({each['status']})." for each in documents]
    healthy = read(HEALTHY)
    return "\n".join(
        [
            *lines,
            f"- Correlation of the three z: {healthy['source']}, n {healthy['n']}"
            f" ({healthy['status']}).",
        ]
    )


def _outside(found: dict[str, Any]) -> str:
    first = found["as it comes, as deployed"]
    settings = {name: known for name, known in found.items() if "," in name}
    return OUTSIDE.format(
        asked=found["asked"],
        ill=found["ill"],
        auc=_table(
            "known | answered | AUC | AUC of dementia_similarity | MMSE alone | nWBV alone"
            " | over MMSE",
            (
                f"{known} | {f['n']}{_silent(f)} | {_area(f['not_cn'])}"
                f" | {_area(f['dementia_similarity'])} | {_area(f['peers']['MMSE alone'])}"
                f" | {_area(f['peers']['nWBV alone'])} | {_signed(f['over_mmse'])}"
                for known, f in first.items()
            ),
        ),
        healthy=found["offset_z"]["n"],
        offset=found["offset_z"]["mean"],
        offset_sd=found["offset_z"]["sd"],
        share=found["own_prevalence"]["CN"],
        calibration=_table(
            "z, prevalence | known | AUC | calibration slope | intercept | stated, mean",
            (
                f"{name} | {known} | {f['not_cn']['auc']:.3f} | {_line(f['slope'])}"
                f" | {_line(f['intercept'])} | {f['stated_mean']:.2f}"
                for name, all_known in settings.items()
                for known, f in all_known.items()
            ),
        ),
        strata=_table(
            "known | who | people (CDR > 0) | AUC",
            (
                f"{known} | {who} | {f['n']} ({f['ill']}) | {_area(f)}"
                for known, groups in found["strata"].items()
                for who, f in groups.items()
            ),
        ),
    )


def _draws(report: dict[str, Any]) -> str:
    draws, table = report["draws"], report["synthetic_adni"]
    cn, mci, dementia = table["counts"]
    strata = {
        f"{known}, {who}": f
        for known, all_of in draws["strata"].items()
        for who, f in all_of.items()
    }
    return DRAWS.format(
        n=next(iter(draws["known"].values()))["n"],
        known=_merit(draws["known"]),
        strata=_merit(strata),
        reliability=_table(
            "stated between | people | stated | observed",
            (
                f"{row['bin']} | {row['n']} | {row['stated']:.3f} | {row['observed']:.3f}"
                for row in draws["reliability"]
            ),
        ),
        rows=cn + mci + dementia,
        cn=cn,
        mci=mci,
        dementia=dementia,
        table=_merit(table["known"]),
    )


def _merit(rows: dict[str, dict[str, Any]]) -> str:
    return _table(
        "known | people | macro AUC | AUC CN/dementia | Brier (shares) | slope | intercept",
        (
            f"{known} | {f['n']} | {f['macro_auc']:.3f}{_band(f, 'macro_auc')}"
            f" | {f['auc_cn_dementia']:.3f}{_band(f, 'auc_cn_dementia')}"
            f" | {f['brier']:.3f} ({f['brier_of_shares']:.3f})"
            f" | {f['slope_dementia']:.2f} | {f['intercept_dementia']:+.2f}"
            for known, f in rows.items()
        ),
    )


def _table(head: str, rows: Iterable[str]) -> str:
    rule = "|".join("---" for _ in head.split("|"))
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def _band(found: dict[str, Any], name: str) -> str:
    ends = found.get(f"{name}_ci95")
    return f" ({ends[0]:.3f}–{ends[1]:.3f})" if ends else ""


def _area(found: dict[str, Any]) -> str:
    return "{:.3f} ({:.3f}–{:.3f})".format(found["auc"], *found["ci95"])


def _line(found: list[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*found)


def _signed(found: list[float]) -> str:
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


def _silent(found: dict[str, Any]) -> str:
    listed = ", ".join(f"{count} {why}" for why, count in found["withheld"].items())
    return f" (withheld: {listed})" if listed else ""
