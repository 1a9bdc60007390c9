-- Sign-ins at an OpenID provider that are under way. The cookie is a random code, from which state,
-- nonce and PKCE verifier are derived; here is its hash alone. A row is used up by the way back.
create table sign_in (
    code_sha256 bytea       primary key,
    path        text        not null,
    expires_at  timestamptz not null
);
