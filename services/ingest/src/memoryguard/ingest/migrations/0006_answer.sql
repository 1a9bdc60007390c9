-- An answer is about the account it was given for, and goes with it. Of those given before this it
-- is not known; whoever asks once more is told that their files are here.
delete from answer;
alter table answer add column subject_id text not null;
create index answer_of_subject on answer (subject_id);

create trigger refuse_erased before insert or update on answer
    for each row execute function refuse_erased();
