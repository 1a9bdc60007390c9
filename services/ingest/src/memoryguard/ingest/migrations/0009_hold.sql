-- Whose erasure an officer has forbidden for now, as audit says. What was lifted stays lifted, in
-- whatever order it is heard.
create table hold (
    hold_id text    primary key,
    held    text,                         -- pseudonym; null: everybody
    lifted  boolean not null
);
