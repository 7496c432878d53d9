-- Index: none. Grows with every transaction that wrote, in the whole server: the cheapest sign that something may have
-- changed.
select pg_snapshot_xmax(pg_current_snapshot())::text
