-- Index: of pg_class, by the name. A table that this user may not read is as good as none.
select 1
from pg_class
where relname = 'hydra_move'
    and relkind = 'r'
    and pg_table_is_visible(oid)
    and has_table_privilege(oid, 'select')
