# SPDX-License-Identifier: Apache-2.0
"""Draw people of each diagnosed group from published means, covariances and yearly rates.

What is published of a group is drawn (`moments.json`); what is not is derived by stated
assumptions (`assumptions.json`, `healthy.json`). Nobody's row is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from expected import expected
from numpy.typing import NDArray

from memoryguard.atrophy.domain.norms import Scanner
from memoryguard.atrophy.packs import load_pack

CLASSES = ("CN", "MCI", "Dementia")
FEATURES = (
    "age_years",
    "male",
    "education_years",
    "apoe4_alleles",
    "moca",
    "mmse",
    "hippocampus_z",
    "ventricles_z",
    "brain_z",
    "hippocampus_percent_per_year",
)
DRAWN = ("age", "male", "pteducat", "apoe4", "icv", "hippocampus", "moca")
HERE = Path(__file__).parent
MOMENTS = HERE / "moments.json"
ASSUMPTIONS = HERE / "assumptions.json"
HEALTHY = HERE / "healthy.json"
NORM = "potvin_2016_2017"
# Of the norm's scanners the one that leaves CN nearest to the norm's own middle (-0.3 SD; the mean
# of the three makers: -0.6, which would teach the model that so little is normal).
SCANNERS = [Scanner(field_1_5t=False, ge=False, philips=False)]


@dataclass(frozen=True)
class Moments:
    """Number of people, mean (7,) and covariance (7, 7) per class, columns as in `DRAWN`."""

    n: dict[str, int]
    mean: dict[str, NDArray[np.float64]]
    covariance: dict[str, NDArray[np.float64]]

    def at_equal_age_and_sex(self) -> Moments:
        """Every group's moments at the mean age and sex of all three, by linear regression.

        Studies match their groups by age and sex, more or less: what is left of a difference says
        how people were recruited, not how ill they are.
        """
        matched = [DRAWN.index("age"), DRAWN.index("male")]
        common = np.mean([self.mean[name][matched] for name in CLASSES], axis=0)
        mean = {
            name: self.mean[name]
            + np.linalg.solve(
                self.covariance[name][np.ix_(matched, matched)],
                common - self.mean[name][matched],
            )
            @ self.covariance[name][matched]
            for name in CLASSES
        }
        return Moments(self.n, mean, self.covariance)

    def resampled(self, generator: np.random.Generator) -> Moments:
        """Moments of as many people drawn anew: a parametric bootstrap."""
        mean: dict[str, NDArray[np.float64]] = {}
        covariance: dict[str, NDArray[np.float64]] = {}
        for name in CLASSES:
            people = _normal(self, name, self.n[name], generator)
            mean[name] = people.mean(axis=0)
            covariance[name] = np.cov(people.T)
        return Moments(self.n, mean, covariance)


def read(path: Path) -> dict[str, Any]:
    """Read a JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def load_moments(path: Path = MOMENTS) -> Moments:
    """Read moments.json."""
    document = read(path)
    if tuple(document["order"]) != DRAWN:
        raise ValueError("the moments' order is not the one drawn here")
    classes = document["classes"]
    return Moments(
        {name: classes[name]["n"] for name in CLASSES},
        {name: np.asarray(classes[name]["mean"]) for name in CLASSES},
        {name: np.asarray(classes[name]["cov"]) for name in CLASSES},
    )


def draw(
    moments: Moments, per_class: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw `per_class` people of every class.

    Returns
    -------
    features, labels
        float64 (3·per_class, 10) in the order of `FEATURES`; int64 (3·per_class,) into `CLASSES`.
    """
    drawn = {name: _normal(moments, name, per_class, generator) for name in CLASSES}
    for people in drawn.values():
        people[:, 1] = people[:, 1] > 0.5
    z, percent = _hippocampus(drawn)
    features = [_person(name, moments, drawn[name], z, percent, generator) for name in CLASSES]
    return np.concatenate(features), np.repeat(np.arange(len(CLASSES)), per_class)


def _normal(
    moments: Moments, name: str, people: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Normal people (n, 7); the root is taken on the scale of correlations.

    mm³ of the head and counts of alleles differ by ten orders of magnitude: factorising the
    covariance itself would lose the small ones. Fails where the moments contradict themselves.
    """
    sd = np.sqrt(np.diag(moments.covariance[name]))
    root = np.linalg.cholesky(moments.covariance[name] / np.outer(sd, sd))
    return moments.mean[name] + generator.standard_normal((people, len(DRAWN))) @ root.T * sd


def _hippocampus(
    drawn: dict[str, NDArray[np.float64]],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Z (n,) per class by the atrophy service's norm; mean deficit against CN, percent."""
    pack, region = load_pack(NORM), "hippocampus_total"
    sd = pack.resid_sd(region)
    z: dict[str, NDArray[np.float64]] = {}
    normal: dict[str, float] = {}
    for name, people in drawn.items():
        age, male, icv, volume = people[:, 0], people[:, 1], people[:, 4], people[:, 5]
        mean = expected(pack, region, age, male, icv, SCANNERS)
        z[name] = (volume - mean) / sd
        normal[name] = float(mean.mean())
    return z, {
        name: 100.0 * sd * float(z[name].mean() - z["CN"].mean()) / normal[name] for name in z
    }


def _person(
    name: str,
    moments: Moments,
    people: NDArray[np.float64],
    z: dict[str, NDArray[np.float64]],
    percent: dict[str, float],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    ventricles, brain = _ventricles_and_brain(name, z, percent, generator)
    points = _moca_and_mmse(name, moments, people[:, 6], generator)
    columns = (
        *(people[:, 0], people[:, 1], people[:, 2]),
        np.clip(np.rint(people[:, 3]), 0, 2),
        *points,
        *(z[name], ventricles, brain),
        _rate(name, len(people), generator),
    )
    return np.stack(columns, axis=1)


def _moca_and_mmse(
    name: str, moments: Moments, score: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """MoCA's points, and MMSE's: the crosswalk of a score that only correlates with MoCA's."""
    assumed = read(ASSUMPTIONS)
    r = assumed["moca_mmse_correlation"][name]
    place = DRAWN.index("moca")
    mean, sd = moments.mean[name][place], np.sqrt(moments.covariance[name][place, place])
    noise = generator.standard_normal(len(score))
    other = mean + sd * (r * (score - mean) / sd + np.sqrt(1.0 - r * r) * noise)
    return _points(score), crosswalk(other)


def crosswalk(moca: NDArray[np.float64]) -> NDArray[np.float64]:
    """MMSE's points of a MoCA score, interpolated between whole points and rounded."""
    table = read(ASSUMPTIONS)["crosswalk"]["mmse_by_moca"]
    return _points(np.interp(moca, np.arange(len(table)), table))


def _points(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.rint(score), 0, 30)


def rates(region: str, name: str) -> list[tuple[float, float, float]]:
    """Yearly percent of a group: share, mean and SD of each part that it mixes."""
    assumed = read(ASSUMPTIONS)
    found = assumed["yearly_percent"][region]
    if name in found:
        return [(1.0, *found[name])]
    share = assumed["conversion"]["share"]
    return [(share, *found["cMCI"]), (1.0 - share, *found["sMCI"])]


def excess(region: str, name: str) -> float:
    """Mean yearly percent of a group beyond that of CN."""
    return sum(share * mean for share, mean, _ in rates(region, name)) - rates(region, "CN")[0][1]


def brain_excess_ratio() -> float:
    """Whole brain's yearly excess loss over the hippocampus's, in dementia; taken for MCI, too."""
    brain = read(ASSUMPTIONS)["yearly_percent_brain"]
    return (brain["Dementia"] - brain["CN"]) / excess("hippocampus", "Dementia")


def _ventricles_and_brain(
    name: str,
    z: dict[str, NDArray[np.float64]],
    percent: dict[str, float],
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Z (n,) of both, given the hippocampus's (see `assumptions.json`)."""
    healthy = read(HEALTHY)
    correlation = np.asarray(healthy["correlation"])
    spread = float(z[name].std() / z["CN"].std())
    own = (z[name] - z[name].mean()) / z[name].std()
    slope = correlation[0, 1:]
    root = np.linalg.cholesky(correlation[1:, 1:] - np.outer(slope, slope))
    rest = np.outer(own, slope) + generator.standard_normal((len(own), 2)) @ root.T
    return (
        ventricle_shift(name, percent[name]) + spread * rest[:, 0],
        brain_shift(percent[name], healthy["brain"]) + spread * rest[:, 1],
    )


def ventricle_shift(name: str, percent: float) -> float:
    """Mean z of the ventricles for a mean hippocampal deficit (percent, negative)."""
    if name == "CN":
        return 0.0
    growth = percent * excess("lateral_ventricles", name) / excess("hippocampus", name)
    sd = load_pack(NORM).resid_sd("lateral_ventricles")
    return float(np.log10(1.0 + growth / 100.0)) / sd


def brain_shift(percent: float, norm: dict[str, Any]) -> float:
    """Mean z of the whole brain for a mean hippocampal deficit (percent, negative)."""
    loss = percent * brain_excess_ratio() / 100.0
    return loss * norm["expected_mm3"] / norm["residual_sd_mm3"]


def _rate(name: str, people: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Yearly percent of the hippocampus (n,)."""
    parts = rates("hippocampus", name)
    shares = np.cumsum([share for share, _, _ in parts])[:-1]
    part = np.searchsorted(shares, generator.random(people))
    mean, sd = (np.asarray(column)[part] for column in list(zip(*parts, strict=True))[1:])
    return mean + sd * generator.standard_normal(people)
