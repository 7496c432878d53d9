-- Index: hydra_schema has one row per migration.
select max(version)
from hydra_schema
