-- Lists come newest first, and may be filtered by what they show (wanted.py).
create index scan_newest on scan (created_at desc, scan_id desc);
create index fact_overall on scan_fact ((data ->> 'overall'), scan_id) where kind = 'scored';
