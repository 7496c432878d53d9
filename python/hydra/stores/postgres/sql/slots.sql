-- Index: primary keys of hydra_slot, once for each key, hydra_execution and hydra_outcome. A later statement than the
-- locks, so it sees what the look before wrote (R12).
select i.limit_key, s.execution_id::text, coalesce(e.status, o.status), e.wake_at, e.gate,
    coalesce(e.claimed_at, o.claimed_at), s.bound
from unnest(%(keys)s) as i (limit_key)
cross join lateral (
    select s.execution_id, s.bound
    from hydra_slot as s
    where s.namespace = %(namespace)s
        and s.limit_key = i.limit_key
    offset 0
) as s
left join hydra_execution as e on e.id = any(array[s.execution_id])
left join hydra_outcome as o on o.execution_id = any(array[s.execution_id])
