-- The embedded bus: one append-only table. Positions are taken under a transaction advisory lock,
-- so that a reader never skips a row that commits late.

create table if not exists bus.topic (
    name text primary key
);
create table if not exists bus.record (
    position     bigint      primary key,
    topic        text        not null references bus.topic,
    key          text        not null,
    body         bytea       not null,
    published_at timestamptz not null default now()
);
create index if not exists record_topic on bus.record (topic, position);
create table if not exists bus.cursor (
    member   text   not null,                       -- the consumer group
    topic    text   not null references bus.topic,
    position bigint not null,
    primary key (member, topic)
);
