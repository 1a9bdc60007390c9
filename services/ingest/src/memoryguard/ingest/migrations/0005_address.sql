-- Addresses that were announced over HTTP, while their events wait: none is told on the bus.
create table address (
    event_id   text primary key,
    subject_id text,                           -- of the account that is named, if one is
    sealed     bytea not null,                 -- it may name a study
    given_at   timestamptz not null default now()
);
create index address_of_subject on address (subject_id);

create trigger refuse_erased before insert or update on address
    for each row execute function refuse_erased();
