-- Index: primary key of hydra_former_key; the executions are locked, so none is added meanwhile.
select execution_id
from hydra_former_key force index (primary)
where execution_id in ({ids})
