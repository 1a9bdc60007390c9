-- Consent: a person invites, somebody accepts. A grant is written with its event, in one
-- transaction, so it holds when the answer is given. It is heard again as well, so that a restored
-- database catches up, but never emptied: a replay would open again for a while what was taken back.
alter table access_grant
    add column scopes     text[] not null default '{status,results}',
    add column expires_at timestamptz;

create table access_invitation (
    invitation_id    uuid        primary key,
    user_id          text        not null,
    subject_id       text        not null,
    grantee_id       text,                          -- null: whoever has the code
    code_sha256      bytea       unique,
    scopes           text[]      not null,
    grant_expires_at timestamptz not null,
    expires_at       timestamptz not null,
    accepted_by      text,                          -- kept, so that accepting may be repeated
    unique (user_id, grantee_id),
    check ((grantee_id is null) <> (code_sha256 is null))
);
create index invitation_of_grantee on access_invitation (grantee_id);
create index invitation_of_subject on access_invitation (subject_id);

-- Broken glass: who sees whose data without a grant, why, and until when.
create table access_override (
    actor_id   text        not null,
    user_id    text        not null,
    subject_id text        not null,
    reason     text        not null,
    expires_at timestamptz not null,
    primary key (actor_id, user_id)
);
create index override_of_subject on access_override (subject_id);
