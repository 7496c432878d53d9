-- Index: none; the server's catalogue.
select count(*)
from information_schema.tables
where table_schema = database()
    and table_name = 'hydra_schema'
