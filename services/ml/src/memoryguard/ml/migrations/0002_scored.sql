-- The latest scored scan of a person, to be answered again when new health metrics arrive.
create table scored (
    subject_id  text  primary key,
    scan_id     text  not null,
    acquired_on date,                      -- shifted; null when the scan carries no date
    fact        jsonb not null             -- atrophy.scored, as it was said
);
