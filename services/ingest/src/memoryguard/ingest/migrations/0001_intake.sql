-- Whose a hospital's patient number is. Only keyed hashes: no number can be read here.
create table alias (
    alias      text primary key,          -- HMAC of issuer and patient id
    subject_id text not null,
    linked_at  timestamptz not null default now()
);

-- Scans that were taken in.
create table scan (
    scan_id     text primary key,         -- derived from the subject and the archive's bytes
    subject_id  text not null,
    user_id     text,
    sha256      text not null,
    received_at timestamptz not null default now()
);
