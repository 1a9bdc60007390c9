-- Measured scans of each person, so that change over time can be told.
create table measurement (
    scan_id     text  primary key,
    subject_id  text  not null,
    acquired_on date,                      -- shifted; null when the scan carries no date
    fact        jsonb not null             -- volumes.extracted, as it was said
);
create index measurement_subject on measurement (subject_id, acquired_on);
