-- Index: the catalogue's.
select current_database()::text, to_regclass('hydra_submission')::oid::bigint
