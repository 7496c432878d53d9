-- Index: primary key of hydra_outcome.
select o.execution_id::text, o.finished_at
from hydra_outcome as o
where o.execution_id = any(%(ids)s)
    and o.namespace = %(namespace)s
