-- Index: of the dictionary, by schema and name. A table that this user may not read is as good as none.
select 1
from information_schema.tables
where table_schema = database()
    and table_name = 'hydra_move'
