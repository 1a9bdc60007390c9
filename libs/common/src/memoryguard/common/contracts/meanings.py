# SPDX-License-Identifier: Apache-2.0
"""What a field means, by its name: the same name means the same in every event.

Fields that say it beside their declaration (``Field(description=…)``) are not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS: Mapping[str, str] = {
    # the envelope
    "specversion": "Version of CloudEvents.",
    "id": "Unique for its source. Derived from the cause: a replay says the same event again.",
    "source": "Who says it: /memoryguard/<service>, or an integration's own name.",
    "type": "memoryguard.<noun>.<past>.v<major>",
    "time": "When it was said, UTC.",
    "datacontenttype": "Media type of data.",
    "partitionkey": "The subject id: everything about one person is in order.",
    "correlationid": "Id of the event that began it all: one upload, one correlation id.",
    "causationid": "Id of the event that this one answers.",
    "traceparent": "W3C trace context.",
    "producerepoch": "Life of the producer's database; a new one starts a new count.",
    "producercounter": "1, 2, 3 … without gaps per source and epoch: a missing event shows.",
    "data": "The fact.",
    # who and what
    "scan_id": "One T1-weighted series of one person.",
    "user_id": "Account of the person; null when the scan is not linked to one.",
    "actor_id": "Account that did it.",
    "grantee_id": "Account that may see the person's data, or no longer; null: who has the code.",
    "scopes": "What may be seen: where scans stand (status), what was measured (results).",
    "expires_at": "When it ends by itself; null: it does not.",
    "action": "What was done, as the route's policy names it: scan.analysis and the like.",
    "service": "Service that did it, or could not.",
    "purpose": "What for: an HL7 PurposeOfUse code that the caller gives; null: not said.",
    "operator": "User of the operating system who ran the command.",
    "modality": "Always MR: nothing else is taken.",
    "instances": "Number of DICOM instances in the archive.",
    "received_at": "When intake was complete, UTC.",
    "person": "What the measurement needs to know about the person.",
    "sex": "F or M as the scan says; null when it says something else or nothing.",
    "acquisition": "How the scan was made.",
    "manufacturer": "Of the scanner.",
    "scanner_model": "Of the scanner.",
    "field_strength_t": "Magnetic field, tesla.",
    "spacing_mm": "Distance between rows, columns and slices as they are stored.",
    # refusals and failures
    "code": "Stable snake_case code; docs/ERRORS.md lists those of errors.",
    "message": "One sentence for people, without any value out of the data.",
    "reason": "Why.",
    "reasons": "Why: one or several.",
    "verdict": "Whether the scan was measured, measured with a warning, or refused.",
    "topic": "Topic that the event came from.",
    "event_id": "Id of the event that it is about.",
    "event_source": "Source of the event that it is about.",
    "event_type": "Type of the event that it is about.",
    "attempts": "How often it was tried.",
    # measurement
    "engine": "What measured.",
    "model": "What predicted, or would have.",
    "name": "Name of the engine or model.",
    "version": "Version of the engine or model.",
    "weights_sha256": "Digest of the weights it runs with, hexadecimal.",
    "quality": "Whether the scan can be measured.",
    "value": "The value, in the unit that the field above it names; null when there is none.",
    "volumes_mm3": "Volume per structure, cubic millimetres.",
    "volume_mm3": "Measured volume.",
    "error_sd_mm3": "One standard deviation of the measured volume.",
    "error_sd_mm": "One standard deviation of the measured thickness.",
    "expected_mm": "What the norm predicts for that age, sex and head size, as the norm's own"
    " software measures: not to be set beside the measured value.",
    "expected_mm3": "What the norm predicts for that age, sex and head size, as the norm's own"
    " software measures: not to be set beside the measured value.",
    "median_mm": "Median of healthy people of that age, sex, head size and scanner, as this engine"
    " measures: the curve at that age.",
    "median_mm3": "Median of healthy people of that age, sex, head size and scanner, as this engine"
    " measures: the curve at that age.",
    "thickness_mm": "Thickness per structure, millimetres.",
    "seconds": "Duration of each stage.",
    # documents
    "dicom": "The object, and what finds it.",
    "sop_class_uid": "Which kind of DICOM object it is.",
    "series_uid": "Of the object's own series.",
    "series_number": "Number of that series in its study.",
    "series_description": "Of that series: what it shows, and that it is no diagnosis.",
    "rows": "Of one frame; null when it has no pixels.",
    "columns": "Of one frame; null when it has no pixels.",
    "frames": "How many there are; null when it has no pixels.",
    "bits_allocated": "For one pixel; null when it has no pixels.",
    # scoring
    "regions": "Each region against healthy people.",
    "overall": "The worst certain severity of the regions considered; null when there are none.",
    "overall_reason": "Why there is no word.",
    "z": "How many residual standard deviations of the norm lie between it and the volume.",
    "z_sd_parts": "Where the uncertainty of z comes from, each part as a standard deviation.",
    "severity": "Word for z; uncertain when no class is at least 80 % certain.",
    "severity_probabilities": "Probability of each class, given the uncertainty of z.",
    "asymmetry_percent": "200·(left − right)/(left + right) of a pair; positive: left is larger.",
    "ratios": "Ratios between volumes.",
    "earlier_scans": "Scan ids of the same person's earlier scans that change is computed from.",
    "change": "Change per region over the scans of this person.",
    "scans": "Number of scans that the rate is computed from.",
    "interval_years": "Years between the first and the last of them.",
    "percent_per_year": "Rate of change.",
    "ci95_percent_per_year": "95 % interval of the rate; null with `error_reason`.",
    "within_measurement_noise": "Whether measuring twice could give as much; null when unknown.",
    # risk
    "base": "Mean of the explained output over the background people.",
    "output": "The explained output for this person: base and contributions add up to it.",
    "contributions": "What each input adds to the base (SHAP values).",
    "feature": "Input of the model.",
    "contribution": "What it adds to the base (a SHAP value).",
    "missing": "Inputs that are missing, each with a reason code.",
    "background_people": "How many people the base is a mean over.",
    # the platform itself
    "ring": "Name of the key ring: scans, identities and the like.",
    "note_code": "What came of it: nothing unusual, followed up, or an incident is opened.",
    "hold_id": "Names the hold.",
    "held_subject_id": "Whose entries are held; null: everybody's.",
    "format": "What it is written as: CSV, JSON Lines, or FHIR AuditEvent.",
    # the log
    "size": "Number of entries that are signed.",
}
