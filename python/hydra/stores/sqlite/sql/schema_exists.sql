-- Index: the schema table is small.
select 1
from sqlite_master
where type = 'table'
    and name = 'hydra_schema'
