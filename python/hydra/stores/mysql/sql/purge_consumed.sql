-- Index: primary keys of hydra_execution and hydra_consumed. The execution, which the caller has locked, leads to its
-- rows.
delete t
from hydra_execution as e force index (primary)
straight_join hydra_consumed as t force index (primary) on t.execution_id = e.id  -- guard R24: a key outlives a purge
where e.id in ({ids})
    and e.namespace = {namespace}
