-- What this service was last started with: a keyed digest of each setting's value, never the value.
-- The row '' stands for the version of the software.
create table setting (
    name   text  primary key,
    digest bytea not null
);
