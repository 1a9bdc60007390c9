-- The log. Entries are the bytes as received; nodes are hashes of complete subtrees (RFC 9162).
create table entry (
    sequence  bigint primary key,          -- dense from 0
    source    text   not null,
    event_id  text   not null,
    topic     text   not null,
    type      text   not null,
    key       text   not null,
    scan_id   text,
    body      bytea  not null,             -- verbatim
    hash      bytea  not null,             -- leaf hash
    logged_at timestamptz not null default now(),
    unique (source, event_id)
);
create index entry_scan on entry (scan_id, sequence) where scan_id is not null;
create index entry_key on entry (key, sequence);

create table node (
    level    int    not null,
    position bigint not null,
    hash     bytea  not null,
    primary key (level, position)
);

create table checkpoint (
    size      bigint primary key,
    note      text   not null,             -- C2SP tlog-checkpoint, signed
    signed_at timestamptz not null default now()
);

-- The one row that changes: size and frontier, written with the entries it counts.
create table head (
    only_row boolean primary key default true check (only_row),
    size     bigint  not null default 0,
    frontier bytea[] not null default '{}'
);
insert into head default values;

create function refuse_change() returns trigger language plpgsql as
$$ begin raise exception 'the audit log is append-only'; end $$;

create trigger entry_append_only before update or delete on entry
    for each row execute function refuse_change();
create trigger entry_no_truncate before truncate on entry
    for each statement execute function refuse_change();
create trigger node_append_only before update or delete on node
    for each row execute function refuse_change();
create trigger node_no_truncate before truncate on node
    for each statement execute function refuse_change();
create trigger checkpoint_append_only before update or delete on checkpoint
    for each row execute function refuse_change();
create trigger checkpoint_no_truncate before truncate on checkpoint
    for each statement execute function refuse_change();
