-- The log. Its owner is a role that no service works as; the service may read and insert. What it
-- may not change by right, triggers refuse to everybody who has not taken them away first.
-- What stands in an entry's row beside hash-covered columns: nothing. libs/tlog has the leaf.
create table entry (
    sequence    bigint      not null,      -- dense from 0
    source      text        not null,
    event_id    text        not null,
    topic       text        not null,
    type        text        not null,
    subject_id  text        not null,      -- pseudonym; zeroes: nobody
    scan_id     text,
    actor       text,                      -- account; its pseudonym where it looks at its own data
    action      text        not null,
    outcome     text        not null,      -- success, denied, failure
    purpose     text,
    occurred_at timestamptz,               -- as the producer says
    logged_at   timestamptz not null,      -- never earlier than that of the entry before
    epoch       text,
    counter     bigint,
    digest      text        not null,      -- keyed, of the event
    form        text        not null,      -- plain, sealed, absent
    payload     bytea       not null,
    primary key (sequence)
) partition by range (sequence);
alter table entry alter column payload set storage external;  -- ciphertext does not compress
create index entry_time    on entry (occurred_at, sequence);
create index entry_subject on entry (subject_id, occurred_at, sequence);
create index entry_action  on entry (action, occurred_at, sequence);
-- What somebody busy did of one kind is picked out in the index, without a look at their other entries.
create index entry_actor   on entry (actor, occurred_at, sequence, action, outcome) where actor is not null;
create index entry_scan    on entry (scan_id, occurred_at, sequence) where scan_id is not null;
create index entry_outcome on entry (outcome, occurred_at, sequence) where outcome <> 'success';
create index entry_purpose on entry (purpose, occurred_at, sequence) where purpose is not null;

-- Every event once, also after its entry was pruned.
create table seen (
    name     bytea  primary key,           -- 16 bytes of SHA-256 over source and event id
    sequence bigint not null,
    digest   text   not null               -- of the entry
);

-- Full tiles of the tree (C2SP tlog-tiles): 256 hashes each. Level 0 holds the leaf hashes.
create table tile (
    level    int    not null,
    position bigint not null,
    hashes   bytea  not null check (octet_length(hashes) = 8192),
    primary key (level, position)
);
alter table tile alter column hashes set storage external;

create table checkpoint (
    size      bigint      primary key,
    note      text        not null,        -- C2SP tlog-checkpoint, signed
    signed_at timestamptz not null
);

-- Checkpoints that have left the box; the others are sent again.
create table sent (
    size    bigint      primary key references checkpoint,
    sent_at timestamptz not null default now()
);

-- What witnesses have signed (C2SP tlog-cosignature), line by line: each checkpoint's first one.
create table cosignature (
    size      bigint      not null references checkpoint,
    witness   text        not null,        -- its verifier key
    line      text        not null,
    signed_at timestamptz not null,        -- as the witness says, and signs
    primary key (size, witness)
);

-- Whoever is in a dispute may not lose evidence: nothing that is held is pruned.
create table hold (
    hold_id    text        primary key,
    subject_id text,                       -- null: everything
    reason     text        not null,
    actor      text        not null,
    placed_at  timestamptz not null default now()
);
create table lifted (
    hold_id   text        primary key references hold,
    actor     text        not null,
    lifted_at timestamptz not null default now()
);

-- Partitions that were dropped; the hashes of their entries stay in the tiles.
create table pruned (
    first     bigint      primary key,
    last      bigint      not null,
    newest_at timestamptz not null,
    pruned_at timestamptz not null default now()
);

-- What each witness has signed last. It signs a log that does not grow again and again, so this row
-- changes; that is no loss, since what it says is proved by the signature in it.
create table witness (
    witness   text        primary key,     -- its verifier key
    size      bigint      not null,
    line      text        not null,
    signed_at timestamptz not null
);
grant select, insert, update on witness to memoryguard_audit;

-- The rows that change: size and right edge of the tree, and how far each topic was read; they are
-- written with the entries they count.
create table head (
    only_row  boolean     primary key default true check (only_row),
    size      bigint      not null default 0,
    levels    bytea[]     not null default '{}',
    logged_at timestamptz not null default 'epoch'
);
insert into head default values;
create table position (
    member    text   not null,             -- consumer group
    topic     text   not null,
    partition int    not null,
    next      bigint not null,
    primary key (member, topic, partition)
);
create table shape (
    only_row          boolean primary key default true check (only_row),
    partition_entries bigint  not null default 1048576 check (partition_entries % 256 = 0)
);
insert into shape default values;

create function refuse_change() returns trigger language plpgsql as
$$ begin raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege'; end $$;

create function refuse_shrinking() returns trigger language plpgsql as
$$ begin
    if tg_op = 'DELETE' or new.size < old.size or new.logged_at < old.logged_at then
        raise exception 'the audit log only grows' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

do $$ declare name text; begin
    foreach name in array array['entry', 'seen', 'tile', 'checkpoint', 'sent', 'cosignature',
                                'hold', 'lifted', 'pruned'] loop
        execute format('create trigger append_only before update or delete or truncate on %I'
                       ' for each statement execute function refuse_change()', name);
        execute format('grant select, insert on %I to memoryguard_audit', name);
    end loop;
end $$;
revoke insert on pruned from memoryguard_audit;
create trigger only_grows before update or delete on head
    for each row execute function refuse_shrinking();
create trigger no_truncate before truncate on head
    for each statement execute function refuse_change();
grant select, update (size, levels, logged_at) on head to memoryguard_audit;
grant select, insert, update on position to memoryguard_audit;
grant select on shape to memoryguard_audit;
grant usage on schema log to memoryguard_audit;

-- Make the partitions that entries up to a sequence number go into. The service may call it, and
-- can make nothing else.
create function make_room(last bigint) returns void language plpgsql
    security definer set search_path = log, pg_temp as
$$ declare
    width bigint := (select partition_entries from shape);
    number bigint := last / width;
    name text;
begin
    while to_regclass(format('log.entry_%s', number)) is null and number >= 0
          and not exists (select from pruned p where p.first <= number * width and number * width <= p.last) loop
        name := format('entry_%s', number);
        execute format('create table %I partition of entry for values from (%s) to (%s)',
                       name, number * width, (number + 1) * width);
        execute format('create trigger append_only before update or delete or truncate on %I'
                       ' for each statement execute function refuse_change()', name);
        number := number - 1;
    end loop;
end $$;
revoke execute on function make_room from public;
grant execute on function make_room to memoryguard_audit;

-- Drop the oldest partition, when every entry of it is older than six years and than the given
-- moment, a checkpoint over it has left the box, and nothing in it is held. For the owner alone.
-- Returns null when the oldest partition has to stay.
create function prune_one(older_than timestamptz, out first bigint, out last bigint, out newest_at timestamptz)
    language plpgsql set search_path = log, pg_temp as
$$ declare
    width bigint := (select partition_entries from shape);
    number bigint := coalesce((select max(p.last) + 1 from pruned p), 0) / width;
    name text := format('entry_%s', number);
    entries bigint;
    held boolean;
begin
    if older_than > now() - interval '6 years' then
        raise exception 'six years is the shortest retention' using errcode = 'check_violation';
    end if;
    perform 1 from head for update;  -- nobody appends meanwhile
    if to_regclass('log.' || name) is null then return; end if;
    execute format('select count(*), max(logged_at) from %I', name) into entries, newest_at;
    execute format('select exists (select from hold h where not exists (select from lifted l where l.hold_id = h.hold_id)'
                   ' and (h.subject_id is null or exists (select from %I e where e.subject_id = h.subject_id)))', name)
        into held;
    if entries < width or newest_at >= older_than or held
       or not exists (select from sent s where s.size >= (number + 1) * width) then
        newest_at := null;
        return;
    end if;
    first := number * width;
    last := first + width - 1;
    execute format('drop table %I', name);
    insert into pruned (first, last, newest_at) values (prune_one.first, prune_one.last, prune_one.newest_at);
end $$;
revoke execute on function prune_one from public;
