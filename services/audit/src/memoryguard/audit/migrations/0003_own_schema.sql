-- The log has a schema and an owner of its own from here on (memoryguard.audit.owned), and another
-- form of entries. A log that was kept in the old form stays beside it as it is; the new one begins
-- by hearing everything on the bus again. docs/RUNBOOK.md says what becomes of old checkpoints.
update feed set generation = generation + 1 where exists (select from head where size > 0);
alter table entry rename to entry_before_log;
alter table node rename to node_before_log;
alter table checkpoint rename to checkpoint_before_log;
alter table head rename to head_before_log;
alter table sent rename to sent_before_log;
