-- People whose erasure has begun. It is not undone, only finished.
create table erasure (
    subject_id  text primary key,
    begun_at    timestamptz not null default now(),
    finished_at timestamptz
);

-- Nothing new is written about them. A writer holds the person's lock, shared, until it commits; an
-- erasure takes it alone before it begins: so a row is either there to be deleted, or refused.
-- Who is refused here came in the very moment: the error (serialization_failure) says "try again",
-- and then they are refused for good, by their key or by `erasure.refuse_erased`.
create function refuse_erased() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(19781, hashtext(new.subject_id));  -- 19781: "ME"
    if exists (select from erasure where subject_id = new.subject_id) then
        raise exception 'this person is erased' using errcode = '40001';
    end if;
    return new;
end
$$;

-- Every table with a subject_id has this trigger and is in `erasure.TABLES`; a test looks.
create trigger refuse_erased before insert or update on alias
    for each row execute function refuse_erased();
create trigger refuse_erased before insert or update on scan
    for each row execute function refuse_erased();
