-- Links made before this told no account, and nobody had confirmed them.
delete from alias;

-- A link by a clinician or an integration is confirmed: scans of that number go to the account. One
-- that a patient's own upload made only keeps the number from being used for somebody else.
alter table alias
    add column user_id   text not null,
    add column confirmed boolean not null,
    add column linked_by text not null;        -- who sent the scan, or resolved the worklist

-- Series on their way in, and what became of them.
create table series (
    series_key text primary key,               -- HMAC of subject and series UID
    study_key  text not null,
    subject_id  text not null,                  -- under whose key the images lie: account or number
    alias      text,                           -- of the patient's number, where there is one
    user_id    text,                           -- account that the sender named
    actor_id   text not null,                  -- the sender
    confirms   boolean not null,               -- may the sender say whose the number is?
    ends       text not null check (ends in ('word', 'quiet')),
    state      text not null default 'arriving'
        check (state in ('arriving', 'unassigned', 'announced', 'left_out', 'refused')),
    code       text not null default '',
    message    text not null default '',
    scan_id    text,
    arrived_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    judged_at  timestamptz
);
create index series_of_study on series (study_key);
create index series_of_subject on series (subject_id);
create index series_arriving on series (changed_at) where state = 'arriving';

-- Their images. Geometry and keyed hashes only; the rest is ciphertext in the object store. When
-- the series has become a scan, the hashes stay: the same image again is a duplicate.
create table image (
    image_key  text primary key,               -- HMAC of subject and SOP instance UID
    series_key text not null references series on delete cascade,
    digest     text not null,                  -- HMAC of the bytes
    header     jsonb,                          -- null once the series is a scan
    object     jsonb,                          -- reference to the staged ciphertext
    arrived_at timestamptz not null default now()
);
create index image_of_series on image (series_key);
create index image_digest on image (digest);

-- Answers that were given under an idempotency key.
create table answer (
    answer_key text primary key,               -- HMAC of caller and key
    sealed     bytea not null,                 -- it names the sender's files
    given_at   timestamptz not null default now()
);

create trigger refuse_erased before insert or update on series
    for each row execute function refuse_erased();
