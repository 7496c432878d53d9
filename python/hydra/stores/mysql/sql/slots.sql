-- Index: primary keys of hydra_slot and hydra_execution. A later statement than the locks, so it sees what the look
-- before wrote (R12).
select s.limit_key, s.execution_id, e.status, e.wake_at, e.gate, e.claimed_at, s.bound
from hydra_slot as s force index (primary)
left join hydra_execution as e force index (primary) on e.id = s.execution_id
where s.namespace = {namespace}
    and s.limit_key in ({keys})
