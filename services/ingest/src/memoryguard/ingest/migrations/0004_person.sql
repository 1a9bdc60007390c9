-- Whom a scan's images named: HMAC of issuer, patient id and birth date. Until then each image's
-- header tells. Of older scans nobody knows: their files are sent again to be judged.
alter table series add column person text;
