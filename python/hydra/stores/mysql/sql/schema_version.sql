-- Index: primary key of hydra_schema.
select coalesce(max(version), 0)
from hydra_schema
