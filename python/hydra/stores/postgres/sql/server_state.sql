-- Index: none. Replicas (all, those a commit waits for, those this role may know nothing of), connections, and the age
-- in seconds of the oldest open transaction.
select
    (select count(*) from pg_catalog.pg_stat_replication),
    (select count(*) from pg_catalog.pg_stat_replication where sync_state in ('sync', 'quorum')),
    (select count(*) from pg_catalog.pg_stat_replication where sync_state is null),
    (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend'),
    coalesce((
        select extract(epoch from clock_timestamp() - min(xact_start))::bigint
        from pg_catalog.pg_stat_activity
        where backend_type = 'client backend'
            and pid <> pg_backend_pid()
    ), 0),
    (select count(*) from pg_catalog.pg_prepared_xacts),
    pg_is_in_recovery()
