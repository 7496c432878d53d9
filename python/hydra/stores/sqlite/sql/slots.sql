-- Index: primary keys of hydra_slot and hydra_execution.
select s.limit_key, s.execution_id, e.status, e.wake_at, e.gate, e.claimed_at, s.bound
from json_each(:keys) as k
cross join hydra_slot as s on s.namespace = :namespace and s.limit_key = k.value
left join hydra_execution as e on e.id = s.execution_id
