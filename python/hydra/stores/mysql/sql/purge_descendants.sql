-- Index: primary keys of hydra_execution and hydra_descendant. The execution, which the caller has locked, leads to its
-- row.
delete t
from hydra_execution as e force index (primary)
straight_join hydra_descendant as t force index (primary) on t.execution_id = e.id
where e.id in ({ids})
    and e.namespace = {namespace}
