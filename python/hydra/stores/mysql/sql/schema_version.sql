-- Index: primary key of hydra_schema.
select coalesce(max(version), 0), coalesce(max(if(is_additive, 0, version)), 0)
from hydra_schema
