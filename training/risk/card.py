# SPDX-License-Identifier: Apache-2.0
"""Write the model card from the manifest and the measured figures; no number is typed here."""

from __future__ import annotations

from typing import Any

HEAD = """# Model card: {name} {version}

**What it says.** How similar a person is, today, to each of three diagnosed groups of one table:
cognitively normal (CN), mild cognitive impairment (MCI) and dementia. `dementia_similarity` is the
probability of the third group under equal priors. It is not a diagnosis, not a forecast, and not
the probability that the person has or will get dementia. Research only.

**Where it comes from.** {fit_per_class} people per group drawn from the group's means and
covariances (`training/risk/moments.json`). Those moments were computed from a **synthetic** copy
of ADNI rows (synthpop), not from ADNI itself: they approximate that cohort of volunteers and carry
its selection (long schooling, for one: see the moments). Hippocampal and intracranial volumes are
FreeSurfer's; the offset of another engine is not calibrated.

**What it is.** {count} multinomial logistic regressions without penalty, one for every subset of
the optional inputs ({optional}) beside the required ones ({required}).
A missing optional input is never filled in: the model without it is used. A missing required
input, or any input outside mean ± {sd:g} SD of every group, means no answer. Scaling is inside the
ONNX files (opset 17). The signs that medicine gives (smaller hippocampus, larger head for the same
hippocampus, lower MoCA, more APOE4 alleles: dementia more likely against normal) are checked at
every fit, and so is that the probability of dementia falls everywhere with hippocampal volume and
with MoCA.

**Explanation.** Exact Shapley values of the probability of dementia over {background} drawn people,
the three groups in equal parts: they say how the inputs move the figure away from that mixed
crowd's mean. Inputs outside a coalition come from the background whatever the others are
(interventional values).

## Figures on fresh draws
{fresh_n} people drawn with another seed from the same moments: this measures the fit, not the
world. Equal priors. Brier is the sum over the three classes; ECE has ten bins; "prior" is what
always stating the class shares would score.

{fresh}

Reliability of `dementia_similarity` with every input:

{reliability}
"""

TABLE = """
## Sanity check on the synthetic ADNI rows
{n} rows (CN {cn}, MCI {mci}, dementia {dementia}). The moments came from these very rows, so this
only shows that normal draws lose little of them; **it validates nothing**. Probabilities were
moved to the table's class shares before Brier and ECE. Intervals: bootstrap, 95 %.

{rows}

Reliability of the probability of dementia with every input (at the table's shares):

{reliability}
"""

TAIL = """
## Limits
- Never tested on real patients with these inputs. OASIS-1 has no hippocampal volume, so no model
  here can be run on it; no figure on it is claimed.
- MCI overlaps both neighbours: its probability is the least certain of the three.
- Without MoCA the answer rests on volume, age and sex (and APOE4, education): see how much lower
  the figures are.
- MoCA partly defines the groups (cognition is part of diagnosis), which flatters models with
  it.
- Age bands and sexes are not reported apart yet; ethnicity is not in the moments at all.
- Equal priors overstate dementia for screening populations; the priors are in `manifest.json`.

## Reproduce
`python training/risk/fit.py`; seeds, package versions and every file's SHA-256 are
in `manifest.json`.
"""


def render(manifest: dict[str, Any], report: list[dict[str, Any]]) -> str:
    """Markdown text of the card."""
    fullest = report[-1]
    fresh = [(entry["features"], entry["fresh_draws"]) for entry in report]
    text = HEAD.format(
        name=manifest["name"],
        version=manifest["version"],
        fit_per_class=f"{manifest['per_class']['fit']:,}",
        count=len(manifest["models"]),
        optional=", ".join(manifest["optional"]),
        required=", ".join(manifest["required"]),
        sd=manifest["range_sd"],
        background=manifest["background"]["people"],
        fresh_n=f"{fullest['fresh_draws']['n']:,}",
        fresh=_figures(fresh, manifest),
        reliability=_reliability(fullest["fresh_draws"]["reliability_dementia"]),
    )
    if "synthetic_adni_table" in fullest:
        text += _table_section(manifest, report)
    return text + TAIL


def _table_section(manifest: dict[str, Any], report: list[dict[str, Any]]) -> str:
    found = [(entry["features"], entry["synthetic_adni_table"]) for entry in report]
    fullest = found[-1][1]
    cn, mci, dementia = fullest["class_counts"]
    return TABLE.format(
        n=fullest["n"],
        cn=cn,
        mci=mci,
        dementia=dementia,
        rows=_figures(found, manifest),
        reliability=_reliability(fullest["reliability_dementia"]),
    )


def _figures(rows: list[tuple[list[str], dict[str, Any]]], manifest: dict[str, Any]) -> str:
    lines = [
        "| optional inputs | macro AUC | AUC CN/dementia | Brier (prior) | log loss (prior) "
        "| ECE dementia | ECE mean |",
        "|---|---|---|---|---|---|---|",
    ]
    for features, f in rows:
        extra = [name for name in features if name in manifest["optional"]]
        lines.append(
            f"| {', '.join(extra) or 'none'} | {_auc(f, 'macro_ovr_auc')} "
            f"| {_auc(f, 'auc_cn_vs_dementia')} | {f['brier']:.3f} ({f['brier_of_prior']:.3f}) "
            f"| {f['log_loss']:.3f} ({f['log_loss_of_prior']:.3f}) "
            f"| {f['ece_dementia']:.3f} | {f['ece_mean_over_classes']:.3f} |"
        )
    return "\n".join(lines)


def _auc(found: dict[str, Any], name: str) -> str:
    interval = found.get(f"{name}_ci95")
    band = f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else ""
    return f"{found[name]:.3f}{band}"


def _reliability(rows: list[dict[str, Any]]) -> str:
    lines = ["| stated between | people | stated | observed |", "|---|---|---|---|"]
    lines += [
        f"| {row['bin']} | {row['n']} | {row['stated']:.3f} | {row['observed']:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)
