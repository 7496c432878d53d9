-- Whether the server still has that connection. No table, no lock.
select exists (select from pg_stat_activity as a where a.pid = %(pid)s)
