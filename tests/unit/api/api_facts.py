# SPDX-License-Identifier: Apache-2.0
"""Events about one invented scan, as the services would say them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from memoryguard.common.contracts import events as e
from memoryguard.common.contracts.event import Event, Fact, new_event

SUBJECT = "5" * 32
SCAN = "0b6cf6a6-0000-4000-8000-000000000001"
ANNA = "anna"
START = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)

ENGINE = e.Engine(name="headframe", version="0.1.0", weights_sha256="ab" * 32)
MODEL = e.Engine(name="risk", version="0.1.0", weights_sha256="cd" * 32)
PERSON = e.Person(age_years=72.0, sex="F")
MADE = e.Acquisition(acquired_on=date(2020, 2, 2), manufacturer="Maker", field_strength_t=3.0)
ACCEPTED = e.Quality(
    verdict="warned", reasons=(e.Reason(code="motion", message="ringing near the edge"),)
)
PNG = b"\x89PNG\r\n\x1a\n not really"

VOLUMES = {
    "hippocampus_left": e.Quantity(value=2900.0, error_sd=90.0),
    "hippocampus_right": e.Quantity(value=3100.0, error_sd=90.0),
    "hippocampus_total": e.Quantity(value=6000.0, error_sd=130.0),
    "lateral_ventricles": e.Quantity(value=41_000.0, error_sd=600.0),
    "cortical_grey_matter": e.Quantity(value=None, reason="engine_does_not_measure_it"),
    "total_brain": e.Quantity(value=1_050_000.0, error_sd=9000.0),
    "intracranial": e.Quantity(value=1_400_000.0, error_sd=9000.0),
}
THICKNESS = {
    "cortex_left": e.Quantity(value=2.31, error_sd=0.05),
    "cortex_mean": e.Quantity(value=None, reason="engine_does_not_measure_it"),
}
THIN = e.ThicknessScore(
    thickness_mm=2.31,
    error_sd_mm=0.05,
    expected_mm=2.42,
    median_mm=2.45,
    z=-1.1,
    z_sd=0.9,
    centile=13.6,
    severity="uncertain",
    severity_reason="class_uncertain",
    direction="low",
    pack="potvin_2016_2017",
)
REGIONS = {
    "hippocampus_total": e.RegionScore(
        volume_mm3=6000.0,
        error_sd_mm3=130.0,
        expected_mm3=7000.0,
        median_mm3=7100.0,
        z=-2.4,
        z_sd=0.3,
        centile=0.8,
        centile_band=(0.3, 2.1),
        severity="moderate",
        direction="low",
        pack="potvin_2016_2017",
    ),
    "lateral_ventricles": e.RegionScore(
        volume_mm3=41_000.0,
        z=0.4,
        z_sd=0.4,
        centile=66.0,
        severity="none",
        direction="high",
        pack="potvin_2016_2017",
    ),
    "total_brain": e.RegionScore(
        volume_mm3=1_050_000.0,
        z=-1.2,
        z_sd=0.6,
        centile=11.5,
        severity="uncertain",
        severity_reason="class_uncertain",
        direction="low",
        pack="potvin_2016_2017",
    ),
    "cortical_grey_matter": e.RegionScore(volume_mm3=None, reason="engine_does_not_measure_it"),
}


def received(user_id: str | None = ANNA, **changes: object) -> e.ScanReceived:
    fields: dict[str, object] = {
        "subject_id": SUBJECT,
        "scan_id": SCAN,
        "user_id": user_id,
        "archive": e.ObjectRef(uri="scans/x/1.zip", sha256="0" * 64, bytes=10),
        "instances": 160,
        "person": PERSON,
        "acquisition": MADE,
        "received_at": START,
    }
    return e.ScanReceived.model_validate(fields | changes)


def rejected() -> e.ScanRejected:
    return e.ScanRejected(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        reason=e.Reason(code="wrong_modality", message="it is a CT"),
    )


def extracted(**artifacts: e.ObjectRef) -> e.VolumesExtracted:
    return e.VolumesExtracted(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        engine=ENGINE,
        quality=ACCEPTED,
        volumes_mm3=VOLUMES,
        thickness_mm=THICKNESS,
        person=PERSON,
        acquisition=MADE,
        seconds={"read": 1.0, "segment": 5.5},
        **artifacts,
    )


def made(**changes: object) -> e.DocumentMade:
    """Say that a DICOM object was made; changes are of its identifiers."""
    reference = e.ObjectRef(uri="derived/x/segmentation.dcm", sha256="0" * 64, bytes=10)
    dicom: dict[str, object] = {
        "content": reference,
        "header": reference,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4",
        "study_uid": "2.25.1",
        "series_uid": "2.25.2",
        "instance_uid": "2.25.3",
        "modality": "SEG",
        "series_number": 9001,
        "series_description": "Brain structures",
    }
    return e.DocumentMade(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        engine=ENGINE,
        dicom=e.DicomObject.model_validate(dicom | changes),
    )


def refused() -> e.VolumesRefused:
    return e.VolumesRefused(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        engine=ENGINE,
        quality=e.Quality(
            verdict="refused", reasons=(e.Reason(code="not_a_head", message="no head is in it"),)
        ),
        seconds={"read": 1.0},
    )


def scored(change: dict[str, e.Change] | None = None) -> e.AtrophyScored:
    return e.AtrophyScored(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        engine=ENGINE,
        quality=ACCEPTED,
        volumes_mm3=VOLUMES,
        thickness_mm=THICKNESS,
        person=PERSON,
        acquisition=MADE,
        regions=REGIONS,
        thickness={"cortex_left": THIN},
        summaries={
            "hippocampal": e.Summary(
                region="hippocampus_total",
                severity="moderate",
                sentence="The hippocampi together: moderately low volume for age.",
            )
        },
        packs={
            "potvin_2016_2017": e.NormPack(
                version="2", sha256="ef" * 32, software="FreeSurfer 5.3", signed_by="0123"
            )
        },
        overall="moderate",
        overall_region="hippocampus_total",
        overall_at_least=True,
        flags=("scanner_unknown",),
        asymmetry_percent={
            "hippocampus": e.Quantity(value=-6.7, error_sd=4.2),
            "lateral_ventricle": e.Quantity(value=None, reason="not_measured"),
        },
        ratios={"hippocampus_to_brain": e.Quantity(value=0.005714)},
        change=change or {},
        change_reason=None if change else "fewer_than_two_scans",
        seconds={"read": 1.0, "segment": 5.5, "score": 0.1},
    )


def change() -> dict[str, e.Change]:
    return {
        "hippocampus_total": e.Change(
            scans=2,
            interval_years=1.5,
            percent_per_year=-3.1,
            ci95_percent_per_year=(-4.8, -1.4),
            within_measurement_noise=False,
            published_percent_per_year={"CN, somebody 2000": -1.4},
        ),
        "total_brain": e.Change(
            scans=2,
            interval_years=1.5,
            percent_per_year=-0.4,
            within_measurement_noise=None,
            error_reason="no_retest_figure",
        ),
    }


def predicted() -> e.RiskPredicted:
    return e.RiskPredicted(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        model=MODEL,
        probabilities={"CN": 0.2, "MCI": 0.5, "Dementia": 0.3},
        explained="dementia_similarity",
        base=0.33,
        output=0.3,
        contributions=(
            e.Contribution(
                feature="hippocampus_z",
                value=-1.5,
                contribution=0.12,
                group="imaging",
                sentence="A small hippocampus raises the similarity.",
            ),
            e.Contribution(feature="moca", value=28.0, contribution=-0.15),
        ),
        missing={"apoe4_alleles": "not_reported"},
        seconds={"read": 1.0, "segment": 5.5, "score": 0.1, "predict": 0.2},
        intervals95={"CN": (0.1, 0.35), "MCI": (0.4, 0.6), "Dementia": (0.2, 0.41)},
        prevalence={"CN": 0.28, "MCI": 0.49, "Dementia": 0.23},
        baseline="mean over 99 drawn people",
        background_people=99,
        group_contributions={"imaging": 0.12, "clinical": -0.15},
    )


def withheld() -> e.RiskWithheld:
    return e.RiskWithheld(
        subject_id=SUBJECT,
        scan_id=SCAN,
        user_id=ANNA,
        model=MODEL,
        reasons=(e.Reason(code="required_input_missing", message="the age is missing"),),
        missing={"age_years": "age_unknown"},
        seconds={"predict": 0.1},
    )


def failure(service: str, event_type: str, scan_id: str | None = SCAN) -> e.DeliveryFailed:
    return e.DeliveryFailed(
        subject_id=SUBJECT,
        service=service,
        topic="memoryguard.volumes.v1",
        event_id="1",
        event_source="/memoryguard/processor",
        event_type=event_type,
        code="bug",
        attempts=3,
        scan_id=scan_id,
    )


def health(metrics: dict[str, float], recorded_on: date = date(2026, 1, 1)) -> e.HealthRecorded:
    return e.HealthRecorded(
        subject_id=SUBJECT,
        user_id=ANNA,
        recorded_on=recorded_on,
        metrics=metrics,
        provenance="synthetic",
    )


def at(fact: Fact, seconds: float) -> Event:
    """Say a fact so many seconds after the start."""
    event = new_event(fact, source="/memoryguard/test")
    return event.model_copy(update={"time": START + timedelta(seconds=seconds)})
