-- Index: hydra_schema has one row per migration.
select version
from hydra_schema
order by version
limit 1
for share
