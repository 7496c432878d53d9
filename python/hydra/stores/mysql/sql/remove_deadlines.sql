-- Index: primary keys of hydra_execution and hydra_deadline. The execution, which the caller has locked, leads to
-- its one row: a list of rows could become a scan that waits for the rows of others.
delete q
from hydra_execution as e force index (primary)
straight_join hydra_deadline as q force index (primary)
    on q.namespace = e.namespace
    and q.timeout_at = e.timeout_at
    and q.id = e.id
where e.id in ({ids})
