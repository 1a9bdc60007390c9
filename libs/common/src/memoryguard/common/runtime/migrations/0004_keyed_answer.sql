-- Answers that were given under an idempotency key, for a day; without one it is being worked on.
-- The table alone tells nothing: names and digests are HMACs (see http/idempotency.py).
create table keyed_answer (
    answer_key text primary key,               -- HMAC of caller and key
    request    text not null,                  -- HMAC of what was asked
    sealed     bytea,                          -- the answer: it holds codes and accounts
    subject_id text,                           -- whom it is about
    at         timestamptz not null default now()
);
create index keyed_answer_of_subject on keyed_answer (subject_id);
