-- Whom a scan's images named: HMAC of issuer, patient id and birth date. Before, each image tells it.
alter table series add column person text not null default '';
