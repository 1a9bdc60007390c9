-- How often the bus was begun anew. Each generation reads it as another consumer group, from the
-- earliest event: so a replay needs nothing from a broker, and replicas that feed leave together.
create table feed (
    only_row   boolean primary key default true check (only_row),
    generation int     not null default 0
);
insert into feed default values;
