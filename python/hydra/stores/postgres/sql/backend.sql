-- Whether the server still has that connection; it has where it does not list even the one that asks. No table, no
-- lock.
select
    exists (select from pg_stat_activity as a where a.pid = %(pid)s)
    or not exists (select from pg_stat_activity as a where a.pid = pg_backend_pid())
