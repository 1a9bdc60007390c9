-- The latest scored scan of a person, to be answered again when new health metrics arrive.
create table scored (
    subject_id   text  primary key,
    scan_id      text  not null,
    acquired_on  date,                     -- shifted; null when the scan carries no date
    event_source text  not null,           -- of the event that said it: what answered it is known by
    event_id     text  not null,
    fact         jsonb not null            -- atrophy.scored, as it was said
);
-- When a metric was said; unknown of those that were heard before.
alter table metric add column said_at timestamptz;
