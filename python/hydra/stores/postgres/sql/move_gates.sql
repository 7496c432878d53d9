-- Index: primary key of hydra_execution, locked by gate_queues. Waits at another key.
update hydra_execution as e
set gate = i.gate
from unnest(%(ids)s, %(gates)s) as i (id, gate)
where e.id = any(array[i.id])
    and e.status = 'pending'
    and coalesce(e.wake_at, 0) = 9223372036854775807  -- so that no index of what waits serves it
