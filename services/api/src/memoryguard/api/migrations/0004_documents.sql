-- DICOM objects that were made of scans, as DICOMweb finds them. Who may see one is the scan's to say.
create table document (
    instance_uid text        primary key,
    series_uid   text        not null,
    study_uid    text        not null,
    scan_id      text        not null,
    subject_id   text        not null,
    modality     text        not null,
    at           timestamptz not null,
    data         jsonb       not null               -- contracts.parts.DicomObject
);
create index document_of_study on document (study_uid, series_uid);
create index document_of_scan on document (scan_id);
create index document_of_subject on document (subject_id);
