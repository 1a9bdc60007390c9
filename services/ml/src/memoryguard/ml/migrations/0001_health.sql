-- The latest value of each health metric of a person.
create table metric (
    subject_id  text             not null,
    name        text             not null,
    value       double precision not null,
    recorded_on date             not null,  -- shifted, like every date of this person
    primary key (subject_id, name)
);
