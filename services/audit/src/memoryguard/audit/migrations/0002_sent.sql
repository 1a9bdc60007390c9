-- Checkpoints that have left the box: to the object store and to their topic. Those that have not
-- are sent again, so a crash between signing and sending loses none.
create table sent (
    size    bigint primary key,            -- of the checkpoint
    sent_at timestamptz not null default now()
);
