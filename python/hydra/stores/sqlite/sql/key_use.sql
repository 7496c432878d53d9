-- Index: primary keys of hydra_limit_key, hydra_slot and hydra_execution. When the key is looked at next; who holds a
-- place and does not run; one that runs.
select k.look_at, null
from hydra_limit_key as k
where k.namespace = :namespace
    and k.limit_key = :key
union all
select * from (
    select null, e.id
    from hydra_slot as s
    join hydra_execution as e on e.id = s.execution_id
    where s.namespace = :namespace
        and s.limit_key = :key
        and e.status = 'pending'
        and (e.wake_at is null or (e.wake_at = 9223372036854775807 and e.gate > s.limit_key))
    limit :most
)
union all
select * from (
    select null, e.id
    from hydra_slot as s
    join hydra_execution as e on e.id = s.execution_id
    where s.namespace = :namespace
        and s.limit_key = :key
        and e.status = 'running'
    limit 1
)
