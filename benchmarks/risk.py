# SPDX-License-Identifier: Apache-2.0
"""The risk model on OASIS-1, which it has not seen, beside its peers; and shap, beside shap.

One row of the table takes the ordinary path: volumes, score, answer. The question is CDR > 0
against CDR 0 among people of 60 and over, one visit each; what answers is the similarity to MCI
or dementia (1 - CN). The table has no hippocampus, so head size, whole brain, age, sex, years of
schooling and MMSE are all that is known. Its brain volume is FAST's (nWBV times eTIV), not
FreeSurfer's: z is also shifted by the mean of its own healthy people under 60, who are not among
those asked about. Peers are single columns, on the same people.

    python benchmarks/risk.py [DATA_TABLES_FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from explanations import beside_shap, print_shap
from numpy.typing import NDArray
from report import Result, table

from memoryguard.atrophy.answer import answer as score
from memoryguard.common.contracts.events import (
    Acquisition,
    AtrophyScored,
    Engine,
    Person,
    Quality,
    Quantity,
    RiskPredicted,
    VolumesExtracted,
)
from memoryguard.ml.answer import answer, configured_model
from memoryguard.ml.model import RiskModel

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "training/risk"))
from merit import auc, calibration, interval  # noqa: E402  # measured as the card's other figures

TABLES = HERE.parents[1] / "shared" / "data" / "tables"
OASIS = "oasis_cross-sectional.csv"
OLD_YEARS = 60.0
# Its five levels: less than high school, high school, some college, college, beyond.
EDUCATION_YEARS = {"1": 10.0, "2": 12.0, "3": 14.0, "4": 16.0, "5": 18.0}
KNOWN: dict[str, tuple[str, ...]] = {
    "age, sex, brain": (),
    "and schooling": ("education_years",),
    "and MMSE": ("mmse",),
    "and both": ("education_years", "mmse"),
}


@dataclass(frozen=True)
class Visit:
    """A person of OASIS-1 at their first visit."""

    age_years: float
    sex: str
    education_years: float | None
    mmse: float | None
    cdr: float | None
    intracranial_mm3: float
    brain_share: float

    def scored(self) -> AtrophyScored:
        """Score this person as any other."""
        volumes = {
            "total_brain": Quantity(value=self.brain_share * self.intracranial_mm3),
            "intracranial": Quantity(value=self.intracranial_mm3),
        }
        return score(
            VolumesExtracted.model_validate(
                {
                    "subject_id": "0" * 32,
                    "scan_id": "0",
                    "engine": Engine(name="freesurfer", version="", weights_sha256=""),
                    "quality": Quality(verdict="accepted"),
                    "volumes_mm3": volumes,
                    "thickness_mm": {},
                    "person": Person.model_validate({"age_years": self.age_years, "sex": self.sex}),
                    "acquisition": Acquisition(manufacturer="SIEMENS", field_strength_t=1.5),
                    "seconds": {},
                }
            )
        )


def visits(path: Path) -> list[Visit]:
    """First visits; the table has no header."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row[0].endswith("_MR1")]
    return [
        Visit(
            age_years=float(row[3]),
            sex=row[1],
            education_years=EDUCATION_YEARS.get(row[4]),
            mmse=_number(row[6]),
            cdr=_number(row[7]),
            intracranial_mm3=1000.0 * float(row[8]),
            brain_share=float(row[9]),
        )
        for row in rows
    ]


def _number(text: str) -> float | None:
    return None if text in {"", "N/A"} else float(text)


def shifted(scored: AtrophyScored, by: float) -> AtrophyScored:
    """Move the brain's z."""
    region = scored.regions["total_brain"]
    if region.z is None:
        return scored
    moved = region.model_copy(update={"z": region.z - by})
    return scored.model_copy(update={"regions": {**scored.regions, "total_brain": moved}})


def offset(people: Sequence[Visit]) -> tuple[float, float, int]:
    """Mean, SD and number of the brain's z in healthy people under 60."""
    healthy = [
        p.scored().regions["total_brain"].z for p in people if p.age_years < OLD_YEARS and not p.cdr
    ]
    known = [z for z in healthy if z is not None]
    return statistics.mean(known), statistics.stdev(known), len(known)


@dataclass(frozen=True)
class Answers:
    """Who was answered, and how: similarity to MCI or dementia, to dementia alone."""

    people: list[Visit]
    ill: NDArray[np.bool_]
    not_cn: NDArray[np.float64]
    dementia: NDArray[np.float64]
    withheld: dict[str, int]


def ask(
    people: Sequence[Visit], known: tuple[str, ...], model: RiskModel, shift: float = 0.0
) -> Answers:
    """Ask the model of everyone."""
    found: list[tuple[Visit, RiskPredicted]] = []
    withheld: dict[str, int] = {}
    for person in people:
        health = {name: value for name in known if (value := getattr(person, name)) is not None}
        said = answer(shifted(person.scored(), shift), health, model)
        if isinstance(said, RiskPredicted):
            found.append((person, said))
        else:
            why = said.reasons[0].code
            withheld[why] = withheld.get(why, 0) + 1
    return Answers(
        [person for person, _ in found],
        np.asarray([bool(person.cdr) for person, _ in found]),
        np.asarray([1.0 - said.probabilities["CN"] for _, said in found]),
        np.asarray([said.probabilities["Dementia"] for _, said in found]),
        withheld,
    )


def area(values: NDArray[np.float64], ill: NDArray[np.bool_]) -> Result:
    """AUC with its interval."""
    return {"auc": auc(values, ill), "ci95": interval(auc, ill, values)}


def column(answers: Answers, of: Callable[[Visit], float]) -> NDArray[np.float64]:
    """One peer's score of the people who were answered."""
    return np.asarray([of(person) for person in answers.people])


def measured(answers: Answers) -> Result:
    """Discrimination and calibration of one set of answers, and its peers on the same people."""
    ill = answers.ill
    mmse = column(answers, lambda p: -(p.mmse if p.mmse is not None else 30.0))

    def gain(
        ours: NDArray[np.float64], theirs: NDArray[np.float64], who: NDArray[np.bool_]
    ) -> float:
        return auc(ours, who) - auc(theirs, who)

    return {
        "n": len(ill),
        "ill": int(ill.sum()),
        "withheld": answers.withheld,
        "not_cn": area(answers.not_cn, ill),
        "dementia_similarity": area(answers.dementia, ill),
        "slope": _calibrated(answers, 0),
        "intercept": _calibrated(answers, 1),
        "stated_mean": float(answers.not_cn.mean()),
        "peers": {
            "MMSE alone": area(mmse, ill),
            "nWBV alone": area(column(answers, lambda p: -p.brain_share), ill),
            "age alone": area(column(answers, lambda p: p.age_years), ill),
        },
        "over_mmse": [gain(answers.not_cn, mmse, ill), *interval(gain, ill, answers.not_cn, mmse)],
    }


def _calibrated(answers: Answers, place: int) -> list[float]:
    """Slope (0) or intercept (1) of the similarity to MCI or dementia, with its interval."""

    def figure(stated: NDArray[np.float64], ill: NDArray[np.bool_]) -> float:
        return calibration(stated, ill)[place]

    of_all = figure(answers.not_cn, answers.ill)
    return [of_all, *interval(figure, answers.ill, answers.not_cn, within=False)]


def strata(answers: Answers) -> Result:
    """AUC by sex and age band."""
    bands: dict[str, Callable[[Visit], bool]] = {
        "women": lambda p: p.sex == "F",
        "men": lambda p: p.sex == "M",
        "60 to 74": lambda p: p.age_years < 75.0,
        "75 and over": lambda p: p.age_years >= 75.0,
    }
    found: Result = {}
    for name, inside in bands.items():
        here = np.asarray([inside(person) for person in answers.people])
        ill = answers.ill[here]
        found[name] = {"n": len(ill), "ill": int(ill.sum())} | area(answers.not_cn[here], ill)
    return found


def on_oasis(path: Path) -> Result:
    """Measure everything on OASIS-1."""
    everyone = visits(path)
    asked = [p for p in everyone if p.age_years >= OLD_YEARS and p.cdr is not None]
    shift, spread, healthy = offset(everyone)
    model = configured_model()
    ill = sum(bool(p.cdr) for p in asked)
    others = {name: share for name, share in model.prevalence.items() if name != "CN"}
    whole = sum(others.values())
    own = {"CN": 1.0 - ill / len(asked)} | {
        name: share / whole * ill / len(asked) for name, share in others.items()
    }
    models = {"as deployed": model, "at the table's own share": RiskModel(None, own)}
    result: Result = {
        "model_sha256": model.sha256,
        "asked": len(asked),
        "ill": ill,
        "offset_z": {"mean": shift, "sd": spread, "n": healthy},
        "prevalence": model.prevalence,
        "own_prevalence": own,
    }
    for place, move in (("as it comes", 0.0), ("shifted", shift)):
        for name, each in models.items():
            result[f"{place}, {name}"] = {
                known: measured(ask(asked, inputs, each, move)) for known, inputs in KNOWN.items()
            }
    result["strata"] = {
        known: strata(ask(asked, KNOWN[known], model)) for known in ("and schooling", "and both")
    }
    return result


def print_oasis(found: Result) -> None:
    """Print what was measured on OASIS-1."""
    z = found["offset_z"]
    print(f"{found['asked']} people, {found['ill']} with CDR > 0.")
    print(f"Brain z of {z['n']} healthy under 60: {z['mean']:.2f} (SD {z['sd']:.2f}).")
    first = found["as it comes, as deployed"]
    table(
        [
            "known",
            "answered",
            "withheld",
            "AUC (1 − CN)",
            "AUC (dementia)",
            "MMSE",
            "nWBV",
            "age",
            "over MMSE",
        ],
        [
            [known, f["n"], ", ".join(f"{n} {why}" for why, n in f["withheld"].items())]
            + [_with_interval(f[each]) for each in ("not_cn", "dementia_similarity")]
            + [_with_interval(f["peers"][peer]) for peer in f["peers"]]
            + ["{:+.3f} ({:+.3f} to {:+.3f})".format(*f["over_mmse"])]
            for known, f in first.items()
        ],
    )
    table(
        ["z, prevalence", "known", "AUC (1 − CN)", "slope", "intercept", "stated, mean"],
        [
            [
                *(setting, known, _with_interval(f["not_cn"])),
                *("{:.2f} ({:.2f} to {:.2f})".format(*f[each]) for each in ("slope", "intercept")),
                f"{f['stated_mean']:.2f}",
            ]
            for setting, all_known in found.items()
            if "," in setting
            for known, f in all_known.items()
        ],
    )
    table(
        ["known", "who", "people", "AUC (1 − CN)"],
        [
            [known, name, f"{f['n']} ({f['ill']})", _with_interval(f)]
            for known, groups in found["strata"].items()
            for name, f in groups.items()
        ],
    )


def _with_interval(found: Result) -> str:
    return "{:.3f} ({:.3f}–{:.3f})".format(found["auc"], *found["ci95"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="?", type=Path, default=TABLES)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result: Result = {"shap": beside_shap()}
    print_shap(result["shap"])
    if (arguments.tables / OASIS).is_file():
        result["oasis"] = on_oasis(arguments.tables / OASIS)
        print_oasis(result["oasis"])
    else:
        print("OASIS-1: not measured, its table does not lie there")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
