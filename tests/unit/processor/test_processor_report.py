# SPDX-License-Identifier: Apache-2.0
"""The report of a score: read back by highdicom value by value, and judged by dciodvfy."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.sr._concepts_dict import concepts
from reports import ENGINE, SUBJECT, code, codes_of, read, scored, segmented

from memoryguard.common.contracts.events import Quality, Quantity
from memoryguard.common.contracts.parts import Engine
from memoryguard.common.errors import Rejected
from memoryguard.common.vocabulary import THICKNESS, VOLUMES
from memoryguard.processor.document import RESEARCH, Document, kept
from memoryguard.processor.domain.codes import OURS, PRIVATE, site_of
from memoryguard.processor.domain.labels import NAMES
from memoryguard.processor.domain.volumes import SUMS
from memoryguard.processor.report import SAID, digest_of, report

VOLUME = "SCT:118565006"
ERROR = "SCT:371884006"
Z, MEDIAN, CENTILE = "DCM:121416", "SCT:373099004", "DCM:121415"
AUTHORITY, POPULATION = "DCM:121406", "DCM:121405"
CHANGE = f"{PRIVATE}:VOLUME_CHANGE"


@pytest.fixture(scope="module")
def told() -> Document:
    """The report of the score."""
    return report(segmented().header, scored(), [])


@pytest.fixture(scope="module")
def found(told: Document) -> dict[str, dict[str, Any]]:
    """What it says of each measured name."""
    return read(told.content)


def test_every_value_is_there_and_no_other(found: dict[str, dict[str, Any]]) -> None:
    score = scored()
    measured = score.volumes_mm3 | score.thickness_mm
    assert set(found) == {name for name, each in measured.items() if each.value is not None}
    assert "amygdala_left" not in found
    for name, said in found.items():
        concept, unit = (VOLUME, "mm3") if name in VOLUMES else (f"{PRIVATE}:THICKNESS", "mm")
        assert said[concept,] == (measured[name].value, unit)
        error = measured[name].error_sd
        assert said.get((concept, ERROR)) == (None if error is None else (error, unit))
    assert (VOLUME, ERROR) not in found["fourth_ventricle"]
    assert found["hippocampus_left"][VOLUME, ERROR, "DCM:121401"] == "SCT:386136009"


def test_a_score_is_told_with_its_norm(found: dict[str, dict[str, Any]]) -> None:
    for name, region in scored().regions.items():
        said = found[name]
        assert said.get((VOLUME, Z)) == (None if region.z is None else (region.z, "1"))
    left = found["hippocampus_left"]
    assert left[VOLUME, MEDIAN] == (3400.5, "mm3")
    assert left[VOLUME, CENTILE] == (4.25, "%")
    assert left[VOLUME, Z, ERROR] == (0.123456789012, "1")
    assert left[VOLUME, POPULATION] == "Healthy people of that age, sex and head size"
    assert left[VOLUME, AUTHORITY] == (
        "norm pack one, version 2, of FreeSurfer 6, sha256 cdcdcdcdcdcdcdcd;"
        " norm pack two, version 3, of FreeSurfer 6, sha256 cdcdcdcdcdcdcdcd;"
        " the value was divided by 1.02 to be compared"
    )
    thick = found["cortex_left"]
    assert thick[f"{PRIVATE}:THICKNESS", MEDIAN] == (2.4, "mm")
    for name in ("hippocampus_right", "thalamus_left", "cortex_right"):
        assert not {path for path in found[name] if {Z, MEDIAN, CENTILE} & set(path)}, name


def test_change_is_told_where_there_is_one(found: dict[str, dict[str, Any]]) -> None:
    assert {name for name, said in found.items() if (CHANGE,) in said} == {
        "hippocampus_total", "total_brain",
    }  # fmt: skip
    said, bare = found["hippocampus_total"], found["total_brain"]
    assert said[CHANGE,] == (-2.25, "%/a")
    assert said[CHANGE, ERROR] == (1.1, "%/a")
    assert said[CHANGE, f"{PRIVATE}:CHANGE_CI95_LOW"] == (-4.2, "%/a")
    assert said[CHANGE, f"{PRIVATE}:CHANGE_CI95_HIGH"] == (0.2, "%/a")
    assert said[CHANGE, f"{PRIVATE}:CHANGE_YEARS"] == (1.5, "a")
    assert said[CHANGE, f"{PRIVATE}:CHANGE_SCANS"] == (3.0, "1")
    assert {path[1] for path in bare if path[0] == CHANGE and len(path) > 1} == {
        f"{PRIVATE}:CHANGE_YEARS", f"{PRIVATE}:CHANGE_SCANS",
    }  # fmt: skip


def test_measurements_name_their_segment_and_their_images(
    found: dict[str, dict[str, Any]],
) -> None:
    seg = pydicom.dcmread(io.BytesIO(segmented().content))
    labels = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    (images,) = seg.ReferencedSeriesSequence
    shown: dict[str, str] = {}
    for name, said in found.items():
        assert said["DCM:121232",] == images.SeriesInstanceUID
        if reference := said.get(("DCM:121191",)):
            assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
            shown[name] = labels[reference.ReferencedSegmentNumber]
    ones = {name: parts[0] for name, parts in SUMS.items() if len(parts) == 1}
    ones |= {"cortex_left": "cortex_left", "cortex_right": "cortex_right"}
    assert shown == {name: label for name, label in ones.items() if name in found}


def test_everything_that_is_measured_has_a_place_in_snomed(
    found: dict[str, dict[str, Any]],
) -> None:
    for name in (*VOLUMES, *THICKNESS):
        site = site_of(name)
        assert site is not None, name
        assert site.code.value in {v for e in concepts[site.code.scheme].values() for v in e}
        assert site.structure is None or site.structure in NAMES.values()
    assert site_of("somebody_elses_region") is None
    sides = {
        "hippocampus_left": "SCT:7771000",
        "hippocampus_right": "SCT:24028007",
        "hippocampus_total": "SCT:51440002",
        "total_brain": None,
    }
    for name, side in sides.items():
        assert found[name].get(("SCT:363698007", "SCT:272741003")) == side
    assert found["hippocampus_total"]["SCT:363698007",] == "SCT:5366008"
    assert found["total_brain"]["SCT:363698007",] == "SCT:12738006"
    assert found["lateral_ventricles"]["SCT:276214006",] == "SCT:91723000"
    assert found["extraventricular_csf"]["SCT:276214006",] == "SCT:91720002"


def test_every_code_is_the_standards_or_is_said_to_be_ours(told: Document) -> None:
    made = pydicom.dcmread(io.BytesIO(told.content))
    known = {
        f"{scheme}:{value}"
        for scheme, entries in concepts.items()
        for entry in entries.values()
        for value in entry
    }
    used = {code(item) for item in codes_of(made)}
    ours = {f"{each.scheme}:{each.value}" for each in OURS}
    # A language, a unit put together by UCUM's grammar, and what TID 1500 itself takes from UMLS.
    assert used - known - ours == {"RFC5646:en-US", "UCUM:%/a", "UMLS:C0034375"}
    assert used & ours == ours
    (scheme,) = made.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == PRIVATE


def test_it_says_what_it_is_and_what_it_is_not(
    told: Document, found: dict[str, dict[str, Any]]
) -> None:
    made = pydicom.dcmread(io.BytesIO(told.content))
    assert (made.VerificationFlag, made.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert RESEARCH in made.SeriesDescription and len(made.SeriesDescription) <= 64
    assert made.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    texts = [
        item.TextValue
        for item in made.ContentSequence[-1].ContentSequence
        if item.ValueType == "TEXT"
    ]
    assert texts[0].startswith(RESEARCH) and "one standard deviation" in texts[1]
    assert texts[2:] == ["warned. Grey is near.", "Mildly low for age."]
    algorithm = found["hippocampus_left"]
    assert algorithm["DCM:111001",] == ENGINE.name
    assert algorithm["DCM:111003",] == ENGINE.version
    assert algorithm["DCM:111002",] == f"weights_sha256={ENGINE.weights_sha256}"
    assert SUBJECT not in str(made) and "dementia" not in str(made).lower()


def test_it_belongs_to_the_scans_study(told: Document) -> None:
    made = pydicom.dcmread(io.BytesIO(told.content))
    seg = pydicom.dcmread(io.BytesIO(segmented().content))
    for name in ("StudyInstanceUID", "PatientID", "PatientSex", "StudyDate", "PatientAge"):
        assert made.get(name) == seg.get(name), name
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    (images,) = seg.ReferencedSeriesSequence
    sources = {item.ReferencedSOPInstanceUID for item in images.ReferencedInstanceSequence}
    assert named == sources | {seg.SOPInstanceUID}


def test_the_same_score_gives_the_same_bytes(told: Document) -> None:
    again = scored(seconds={"score": 1.0}, user_id="somebody", flags=("scanner_unknown",))
    assert report(segmented().header, again, []) == told
    assert kept(told.content, told.header) == told
    assert json.loads(told.header)["0040A493"]["Value"] == ["UNVERIFIED"]


def test_another_score_is_another_report_that_names_the_earlier_one(told: Document) -> None:
    score = scored(summaries={})
    assert digest_of(score) != digest_of(scored())
    next_one = report(segmented().header, score, [digest_of(scored())])
    assert next_one.found_by["instance_uid"] != told.found_by["instance_uid"]
    assert next_one.found_by["series_uid"] == told.found_by["series_uid"]
    assert (told.found_by["instance_number"], next_one.found_by["instance_number"]) == (1, 2)
    (study,) = pydicom.dcmread(io.BytesIO(next_one.content)).PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (item,) = series.ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == told.found_by["instance_uid"]
    assert "PredecessorDocumentsSequence" not in pydicom.dcmread(io.BytesIO(told.content))


@pytest.mark.parametrize("name", sorted(SAID))
def test_whatever_is_told_decides_the_uid(name: str) -> None:
    changes: dict[str, Any] = {
        "subject_id": "6" * 32, "scan_id": "scan-2", "quality": Quality(verdict="accepted"),
        "engine": Engine(name="headframe", version="2", weights_sha256="ab" * 32),
        "volumes_mm3": {"brain_stem": Quantity(value=1.0)},
    }  # fmt: skip
    changed = scored(**{name: changes.get(name, {})})
    assert digest_of(changed) != digest_of(scored())


def test_nothing_measured_is_no_report() -> None:
    empty = {"brain_stem": Quantity(value=None, reason="not_measured")}
    score = scored(volumes_mm3=empty, thickness_mm={})
    with pytest.raises(Rejected, match="nothing_to_report"):
        report(segmented().header, score, [])


def test_what_is_no_header_is_refused() -> None:
    with pytest.raises(Rejected, match="report_failed"):
        report(b"{}", scored(), [])


def test_somebody_elses_validator_finds_no_error(told: Document, tmp_path: Path) -> None:
    tool = shutil.which("dciodvfy")
    if tool is None:
        why = "THE REPORT IS NOT VALIDATED HERE: dciodvfy is missing (Debian: dicom3tools)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    path = tmp_path / "report.dcm"
    for document in (told, report(segmented().header, scored(summaries={}), ["ab" * 8])):
        path.write_bytes(document.content)
        assert errors(tool, path) == []
    broken = pydicom.dcmread(path)
    del broken.VerificationFlag
    broken.save_as(path)
    assert errors(tool, path) != [], "the validator says nothing about anything"


def errors(tool: str, path: Path) -> list[str]:
    """What the validator calls an error; it says at least which kind of object it saw."""
    said = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert "Comprehensive3DSR" in lines
    return [line for line in lines if line.startswith("Error")]
