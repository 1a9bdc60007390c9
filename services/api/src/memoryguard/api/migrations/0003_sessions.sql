-- Browser sessions. The cookie is a random code; here are its hash and the bearer token, encrypted
-- under a key made from the code. So this table opens nothing either, and a row that is gone, or
-- that nobody has used for a while, ends the session.
create table session (
    code_sha256 bytea       primary key,
    sealed      bytea       not null,
    user_id     text        not null,
    used_at     timestamptz not null default now()
);
create index session_of_user on session (user_id);

-- Links made before this, or by a replica from before it, do not say whose they are: they are dead.
alter table session_link add column user_id text not null default '';
