-- Index: primary keys of hydra_execution and hydra_attribute. The execution, which the caller has locked, leads to its
-- rows: a list of ids could become a scan that waits for the rows of others.
delete t
from hydra_execution as e force index (primary)
straight_join hydra_attribute as t force index (primary) on t.execution_id = e.id
where e.id in ({ids})
    and e.namespace = {namespace}
