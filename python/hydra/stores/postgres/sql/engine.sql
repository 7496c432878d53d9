-- Index: none; what `hydra doctor` knows an engine by that speaks PostgreSQL's protocol. Only what all of them answer.
select
    version(),
    exists (select 1 from pg_catalog.pg_proc where proname = 'aurora_version'),
    exists (select 1 from pg_catalog.pg_settings where name like 'alloydb.%'),
    exists (select 1 from pg_catalog.pg_extension where extname = 'citus')
