-- Index: none; asked of Citus alone. Tables of hydra's that it spreads over servers; those of a schema that lives on one
-- have the method `n`.
select count(*)
from pg_catalog.pg_dist_partition
where logicalrelid::text like '%hydra\_%'
    and partmethod <> 'n'
