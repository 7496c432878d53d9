-- Index: primary keys of hydra_slot, hydra_limit_key and hydra_gated, the keys of one limit; at most so many entries of
-- each key's queue.
select
    k.limit_key,
    (
        select count(*)
        from hydra_slot as s force index (primary)
        join hydra_execution as e force index (primary) on e.id = s.execution_id
        where s.namespace = k.namespace
            and s.limit_key = k.limit_key
            and (
                (e.status = 'running' and s.limit_key not like 'by_turns:%')
                or (e.status = 'pending' and e.wake_at = 0)
                or (e.status = 'pending' and e.wake_at = 9223372036854775807 and e.gate > s.limit_key)
            )
    ),
    (
        select count(*)
        from hydra_gated as q force index (primary)
        where q.namespace = k.namespace
            and q.limit_key = k.limit_key
    ),
    k.look_at
from hydra_limit_key as k force index (primary)
where k.namespace = {namespace}
    and k.limit_key >= {first}
    and k.limit_key < {last}
order by k.limit_key
limit {limit}
