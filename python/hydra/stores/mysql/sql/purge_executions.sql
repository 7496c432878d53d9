-- Index: primary key of hydra_execution, locked by lock_free_executions; its rows lead to themselves (see
-- remove_deltas).
delete t
from hydra_execution as e force index (primary)
straight_join hydra_execution as t force index (primary) on t.id = e.id
where e.id in ({ids})
    and e.status in ('completed', 'failed', 'cancelled')
