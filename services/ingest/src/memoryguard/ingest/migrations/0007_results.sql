-- Before a result is stored back: who sent the scan.
create index series_of_scan on series (scan_id);
