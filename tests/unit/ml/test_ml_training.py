# SPDX-License-Identifier: Apache-2.0
"""How the shipped model was made: drawing people, fitting in order, writing the file, measuring."""

from __future__ import annotations

import json

import cohort
import logistic
import numpy as np
import pytest
from graph import build
from merit import auc, calibration

from memoryguard.ml.model import RiskModel
from memoryguard.ml.network import Network

PEOPLE = 20_000


def test_drawn_people_have_the_published_moments() -> None:
    moments = cohort.load_moments()
    x, labels = cohort.draw(moments, PEOPLE, np.random.default_rng(1))
    place = {name: number for number, name in enumerate(cohort.FEATURES)}
    for number, name in enumerate(cohort.CLASSES):
        people = x[labels == number]
        for ours, theirs in (("age_years", "age"), ("moca", "moca")):
            published = moments.mean[name][cohort.DRAWN.index(theirs)]
            assert people[:, place[ours]].mean() == pytest.approx(published, rel=0.01)
        stated = cohort.read(cohort.ASSUMPTIONS)["moca_mmse_correlation"][name]
        found = np.corrcoef(people[:, place["moca"]], people[:, place["mmse"]])[0, 1]
        assert stated - 0.06 < found < stated + 0.01  # rounding and the ceiling cost a little
    z = x[labels == 0][:, [place[n] for n in ("hippocampus_z", "ventricles_z", "brain_z")]]
    healthy = np.asarray(cohort.read(cohort.HEALTHY)["correlation"])
    assert np.corrcoef(z.T) == pytest.approx(healthy, abs=0.03)
    means = [x[labels == number].mean(axis=0) for number in range(3)]
    for name, sign in (("hippocampus_z", -1), ("ventricles_z", 1), ("brain_z", -1)):
        steps = np.diff([sign * mean[place[name]] for mean in means])
        assert (steps > 0.0).all(), name


def test_groups_are_made_equal_in_age_and_sex_and_keep_their_spread() -> None:
    moments = cohort.load_moments()
    equal = moments.at_equal_age_and_sex()
    for name in cohort.CLASSES:
        assert equal.mean[name][:2] == pytest.approx(equal.mean["CN"][:2])
        assert (equal.covariance[name] == moments.covariance[name]).all()
    again = equal.at_equal_age_and_sex()
    assert again.mean["MCI"] == pytest.approx(equal.mean["MCI"])


def test_the_crosswalk_is_the_published_table() -> None:
    found = cohort.crosswalk(np.asarray([10.0, 18.0, 22.0, 26.0, 30.0, 35.0]))
    assert found.tolist() == [16.0, 24.0, 28.0, 29.0, 30.0, 30.0]


def test_a_fit_finds_what_people_were_drawn_from_and_keeps_the_order() -> None:
    generator = np.random.default_rng(2)
    x = generator.standard_normal((PEOPLE, 3))
    truth = np.asarray([[0.8, -0.6, 0.0], [0.5, -0.4, 0.3]]).T
    scores = np.column_stack([np.zeros(PEOPLE), np.cumsum(x @ truth, axis=1)])
    labels = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    free = logistic.fit(x, labels, np.zeros(3))
    assert free[:-1] == pytest.approx(truth, abs=0.08)
    ordered = logistic.fit(x, labels, np.asarray([1.0, -1.0, -1.0]))
    assert ordered[:2] == pytest.approx(free[:2], abs=0.05)
    assert ordered[2, 0] <= 0.0
    assert ordered[2, 1] == 0.0  # the truth goes against the order


def test_the_file_computes_what_its_tables_say() -> None:
    generator = np.random.default_rng(3)
    tables = generator.standard_normal((3, 4, 5, 3))  # two of four inputs may be missing
    for pattern in range(4):
        for bit in range(2):
            if not pattern >> bit & 1:
                tables[:, pattern, 2 + bit] = 0.0
    network = Network(build(tables[0], tables, 2).SerializeToString(), 4, 3)
    rows = generator.standard_normal((6, 4))
    rows[[0, 1], 2], rows[[1, 2], 3] = np.nan, np.nan
    patterns = (~np.isnan(rows[:, 2:]) @ [1, 2]).astype(int)
    design = np.column_stack([np.nan_to_num(rows), np.ones(6)])
    scores = np.einsum("nk,bnkc->nbc", design, tables[:, patterns])
    powers = np.exp(scores)
    expected = powers / powers.sum(axis=2, keepdims=True)
    assert network.run("bootstrap", rows) == pytest.approx(expected, abs=1e-6)  # single precision
    assert network.probabilities(rows) == pytest.approx(expected[:, 0], abs=1e-12)
    assert (network.run("coefficients", rows) == tables[0, patterns]).all()


def test_merit_by_hand() -> None:
    happened = np.asarray([False, True, False, True])
    assert auc(np.asarray([0.1, 0.4, 0.4, 0.9]), happened) == 0.875
    generator = np.random.default_rng(4)
    true = generator.normal(0.0, 1.5, PEOPLE)
    ill = generator.random(PEOPLE) < 1.0 / (1.0 + np.exp(-true))
    slope, intercept = calibration(1.0 / (1.0 + np.exp(-(2.0 * true + 0.5))), ill)
    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept < -0.2


def test_figures_are_those_of_the_shipped_model() -> None:
    figures = json.loads((cohort.HERE / "figures.json").read_text())
    outside = json.loads((cohort.HERE / "outside.json").read_text())
    assert figures["model_sha256"] == outside["oasis"]["model_sha256"] == RiskModel().sha256
    everything = figures["draws"]["known"]["everything"]
    assert everything["brier"] < everything["brier_of_shares"]
    assert all(f["macro_auc"] >= 0.70 for f in figures["synthetic_adni"]["known"].values())
    asked = outside["oasis"]["as it comes, as deployed"]
    assert asked["and schooling"]["not_cn"]["auc"] >= 0.68
    for known in ("and MMSE", "and both"):
        assert asked[known]["not_cn"]["auc"] >= max(
            0.864, asked[known]["peers"]["MMSE alone"]["auc"]
        )
    timed = outside["shap"]
    assert timed["a whole prediction of ours"]["ms"] < 50.0
    assert timed["shap.KernelExplainer"]["ms"] > 20.0 * timed["a whole prediction of ours"]["ms"]
