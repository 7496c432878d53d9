-- Index: primary keys of hydra_limit_key, hydra_slot and hydra_execution. When the key is looked at next; who holds a
-- place and does not run; one that runs.
(
    select k.look_at, null::text
    from hydra_limit_key as k
    where k.namespace = %(namespace)s
        and k.limit_key = %(key)s
)
union all
(
    select null::bigint, e.id::text
    from hydra_slot as s
    join hydra_execution as e on e.id = any(array[s.execution_id])
    where s.namespace = %(namespace)s
        and s.limit_key = %(key)s
        and e.status = 'pending'
        and (e.wake_at is null or (e.wake_at = 9223372036854775807 and e.gate > s.limit_key))
    limit %(most)s
)
union all
(
    select null::bigint, e.id::text
    from hydra_slot as s
    join hydra_execution as e on e.id = any(array[s.execution_id])
    where s.namespace = %(namespace)s
        and s.limit_key = %(key)s
        and e.status = 'running'
    limit 1
)
