-- Index: hydra_schema has one row per migration.
select coalesce(max(version), 0), coalesce(max(version) filter (where not is_additive), 0)
from hydra_schema
