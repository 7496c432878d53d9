-- Index: hydra_schema has one row per migration. Must fail while the other connection holds its share lock (R9).
select version
from hydra_schema
order by version
limit 1
for update nowait
