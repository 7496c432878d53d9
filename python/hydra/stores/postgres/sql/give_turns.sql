-- Index: primary key of hydra_execution, locked by gate_queues. Ordered by its turn from now on; its own priority and
-- instant are kept.
update hydra_execution as e
set own_priority = coalesce(e.own_priority, e.priority),
    own_run_at = coalesce(e.own_run_at, e.run_at),
    priority = 0,
    run_at = i.run_at
from unnest(%(ids)s, %(run_ats)s) as i (id, run_at)
where e.id = any(array[i.id])
    and e.status = 'pending'
    and coalesce(e.wake_at, 0) = 9223372036854775807  -- so that no index of what waits serves it
