-- The read model: built from events alone, so it can be dropped and replayed at any time.
-- Events of different topics come in any order; every statement gives the same rows in any order.

create table scan (
    scan_id    text        primary key,
    subject_id text        not null,
    user_id    text,                                -- null: nobody's yet; clinicians only
    created_at timestamptz not null,                -- earliest event
    updated_at timestamptz not null                 -- latest event
);
create index scan_of_user on scan (user_id, created_at desc, scan_id desc);
create index scan_of_subject on scan (subject_id);

-- What has been said about a scan: the latest event of each kind, see status.py.
create table scan_fact (
    scan_id text        not null references scan on delete cascade,
    kind    text        not null,
    at      timestamptz not null,
    data    jsonb       not null,
    primary key (scan_id, kind)
);

-- The latest health metrics of an account.
create table health (
    user_id     text             not null,
    metric      text             not null,
    subject_id  text             not null,
    value       double precision not null,
    recorded_on date             not null,          -- shifted like all dates of this person
    provenance  text             not null,
    at          timestamptz      not null,
    primary key (user_id, metric)
);
create index health_of_subject on health (subject_id);

-- Who may see whose results; a revoked row stays, or a late grant would revive it.
create table access_grant (
    user_id    text        not null,
    grantee_id text        not null,
    subject_id text        not null,
    granted    boolean     not null,
    at         timestamptz not null,
    primary key (user_id, grantee_id)
);
create index grant_of_grantee on access_grant (grantee_id) where granted;
create index grant_of_subject on access_grant (subject_id);

-- One-time links. The bearer token inside is encrypted under a key made from the code, and the
-- code is not stored: this table opens nothing.
create table session_link (
    code_sha256 bytea       primary key,
    sealed      bytea       not null,
    path        text        not null,
    expires_at  timestamptz not null
);
