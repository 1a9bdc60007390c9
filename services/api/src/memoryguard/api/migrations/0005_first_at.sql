-- An answer may be given again, long after: how long a scan took is told by the first one.
alter table scan_fact add column first_at timestamptz;
update scan_fact set first_at = at;
alter table scan_fact alter column first_at set not null;
