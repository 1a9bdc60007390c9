-- The tables that every service has in its own schema: work coming in, work going out.

create table inbox (
    position     bigint generated always as identity primary key,
    topic        text        not null,
    source       text        not null,
    event_id     text        not null,
    type         text        not null,
    key          text        not null,
    digest       bytea       not null,              -- SHA-256 of the bytes first received
    body         bytea,                             -- verbatim; dropped when the row is done
    state        text        not null default 'ready'
                 check (state in ('ready', 'leased', 'done', 'dead')),
    attempts     int         not null default 0,    -- leases that ended in a bug or a crash
    fence        bigint      not null default 0,    -- the final commit must still hold this
    not_before   timestamptz not null default now(),
    leased_until timestamptz,
    error_code   text,
    received_at  timestamptz not null default now(),
    finished_at  timestamptz,
    unique (source, event_id)
);
create index inbox_open on inbox (position) where state in ('ready', 'leased');
create index inbox_open_key on inbox (key, position) where state in ('ready', 'leased');
create index inbox_dead on inbox (position) where state = 'dead';

create table outbox (
    position   bigint generated always as identity primary key,
    event_id   text        not null unique,
    topic      text        not null,
    key        text        not null,
    body       bytea       not null,
    counter    bigint      unique,                  -- given by the relay, once
    created_at timestamptz not null default now(),
    sent_at    timestamptz
);
create index outbox_unsent on outbox (position) where sent_at is null;

-- One row: this producer's epoch and the last counter it gave.
create table producer (
    only_row boolean primary key default true check (only_row),
    epoch    text   not null,
    counter  bigint not null default 0
);
insert into producer (epoch) values (gen_random_uuid()::text);

-- People whose key is destroyed: nothing about them is recorded any more.
create table tombstone (
    subject_id text primary key,
    erased_at  timestamptz not null default now()
);
