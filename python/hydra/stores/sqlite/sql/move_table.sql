-- Index: none; SQLite has the names of all tables in memory.
select 1
from sqlite_master
where type = 'table'
    and name = 'hydra_move'
