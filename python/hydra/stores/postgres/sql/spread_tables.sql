-- Index: none; asked of Citus alone. Tables of hydra's that it spreads over servers; one of a schema that lives on one
-- server has the method `n`.
select count(*)
from pg_catalog.pg_dist_partition
where logicalrelid::text like '%hydra\_%'
    and partmethod <> 'n'
