-- Index: primary keys of hydra_execution and hydra_gated. The execution, which the caller has locked, leads to
-- its one row: a list of rows could become a scan that waits for the rows of others.
delete q
from hydra_execution as e force index (primary)
straight_join hydra_gated as q force index (primary)
    on q.namespace = e.namespace
    and q.limit_key = e.gate
    and q.negated_priority = -e.priority
    and q.run_at = e.run_at
    and q.id = e.id
where e.id in ({ids})
