# SPDX-License-Identifier: Apache-2.0
"""The document of ``analyze``: its keys, its nulls with reasons, its exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from memoryguard.cli.analyze import EXIT_MEASURED, EXIT_REFUSED, analyze
from memoryguard.common.errors import Rejected
from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.processor.domain.image import Image
from memoryguard.processor.domain.measurement import (
    Measured,
    Measurement,
    Quality,
    Reason,
    nothing,
)

# Volumes of an unremarkable woman of 72: means of Potvin 2016 and of five tables of head size.
TYPICAL_MM3 = {
    "hippocampus_left": Measured(3700.0, 60.0),
    "hippocampus_right": Measured(3800.0, 60.0),
    "hippocampus_total": Measured(7500.0, 100.0),
    "lateral_ventricles": Measured(26_000.0, 900.0),
    "intracranial": Measured(1_405_000.0, 15_000.0),
}


class StillEngine:
    """An engine that gives a prepared answer: what is tested here is what becomes of it."""

    name = "headframe"
    version = "test"
    weights_sha256 = "0" * 64

    def __init__(self, answer: Measurement) -> None:
        self.answer = answer
        self.seen: list[Image] = []

    def measure(self, image: Image) -> Measurement:
        self.seen.append(image)
        return self.answer


def measured() -> Measurement:
    volumes, thickness = nothing("not_measured_by_engine")
    labels = np.full((20, 20, 20), 17, np.int16)
    return Measurement(Quality("accepted"), volumes | TYPICAL_MM3, thickness, labels, {"net": 1.0})


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    voxels = np.random.default_rng(1).random((20, 20, 20), np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, 1.0, 1.0, 1.0])), path)
    return path


def run(path: Path, answer: Measurement | None = None, **given: Any) -> tuple[dict[str, Any], int]:
    engine: Any = StillEngine(answer or measured())
    document, status = analyze(path, engine=engine, **given)
    return json.loads(json.dumps(document)), status


def test_the_document_has_the_promised_keys(scan: Path) -> None:
    document, status = run(scan, age_years=72.0, sex="F")
    assert status == EXIT_MEASURED
    assert document["quality"] == {"verdict": "accepted", "reasons": []}
    assert set(document["engine"]) == {"name", "version", "weights_sha256"}
    assert tuple(document["volumes_mm3"]) == VOLUMES
    assert tuple(document["thickness_mm"]) == THICKNESS
    assert {"z", "centile", "severity"} <= set(document["atrophy"]["regions"]["hippocampus_left"])
    assert set(document["seconds"]) == {"read", "net", "score", "predict", "total"}


def test_every_null_has_its_reason(scan: Path) -> None:
    for given in ({}, {"age_years": 72.0, "sex": "F"}):
        document, _ = run(scan, **given)
        for part in ("volumes_mm3", "thickness_mm"):
            nulls = {name for name, value in document[part].items() if value is None}
            assert nulls == set(document["reasons"][part])
            assert all(document["reasons"][part].values())
        unscored = {n for n, s in document["atrophy"]["regions"].items() if s["z"] is None}
        assert unscored <= set(document["reasons"]["atrophy"])
        assert (document["risk"] is None) == bool(document["reasons"]["risk"])


def test_without_age_and_sex_nothing_is_scored(scan: Path) -> None:
    document, status = run(scan)
    assert status == EXIT_MEASURED
    assert document["volumes_mm3"]["hippocampus_total"] == 7500.0
    assert document["atrophy"]["overall"] is None
    assert document["reasons"]["atrophy"]["hippocampus_total"] == "age_unknown"
    assert document["risk"] is None
    assert {r["code"] for r in document["reasons"]["risk"]} == {"required_input_missing"}


def test_risk_answers_with_contributions_that_add_up(scan: Path) -> None:
    health = {"moca": 22.0, "education_years": 14.0, "apoe4_alleles": 1.0, "mmse": 26.0}
    document, _ = run(scan, age_years=72.0, sex="F", health=health)
    risk = document["risk"]
    amounts = [c["contribution"] for c in risk["contributions"]]
    assert risk["base"] + sum(amounts) == pytest.approx(risk["output"], abs=1e-6)
    assert sum(risk["probabilities"].values()) == pytest.approx(1.0)
    assert [abs(a) for a in amounts] == sorted((abs(a) for a in amounts), reverse=True)
    without, _ = run(scan, age_years=72.0, sex="F")
    assert set(health) <= set(without["risk"]["missing"])


def test_a_refused_scan_gives_status_3_and_no_number(scan: Path) -> None:
    volumes, thickness = nothing("quality_refused")
    quality = Quality("refused", (Reason("not_a_head", "This is not a head."),))
    document, status = run(scan, Measurement(quality, volumes, thickness, None, {}), age_years=70.0)
    assert status == EXIT_REFUSED
    assert document["quality"]["reasons"][0]["code"] == "not_a_head"
    assert not any(v is not None for v in document["volumes_mm3"].values())
    assert document["atrophy"] == {"regions": {}, "overall": None}
    assert document["risk"] is None
    assert document["reasons"]["risk"] == document["quality"]["reasons"]


def test_an_unreadable_file_is_refused_and_never_measured(tmp_path: Path) -> None:
    path = tmp_path / "letter.dcm"
    path.write_bytes(b"dear doctor")
    engine: Any = StillEngine(measured())
    document, status = analyze(path, engine=engine)
    assert status == EXIT_REFUSED
    assert document["quality"]["reasons"][0]["code"] == "not_dicom"
    assert set(document["reasons"]["volumes_mm3"].values()) == {"not_dicom"}
    assert engine.seen == []


@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
def test_labels_are_written_on_the_grid_of_the_input(
    scan: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"labels.{ending}"
    run(scan, labels_out=target)
    image = nibabel.load(target)
    assert np.asarray(image.dataobj).shape == (20, 20, 20)
    np.testing.assert_allclose(image.affine, nibabel.load(scan).affine)
    assert set(np.unique(np.asarray(image.dataobj))) == {17}


def test_a_refused_scan_leaves_no_labels(scan: Path, tmp_path: Path) -> None:
    answer = replace(measured(), quality=Quality("refused"), labels=None)
    run(scan, answer, labels_out=tmp_path / "labels.nii.gz")
    assert not (tmp_path / "labels.nii.gz").exists()


def test_a_bad_target_is_found_before_measuring(scan: Path, tmp_path: Path) -> None:
    engine: Any = StillEngine(measured())
    for target in (tmp_path / "labels.png", tmp_path / "absent" / "labels.nii.gz"):
        with pytest.raises(Rejected):
            analyze(scan, labels_out=target, engine=engine)
    assert engine.seen == []
