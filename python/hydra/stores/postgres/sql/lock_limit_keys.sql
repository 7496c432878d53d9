-- Index: primary key of hydra_limit_key, once for each, in their order. Lock order: after executions; whoever has a key
-- waits for no execution. (Servers before 17 would keep the order of a list of keys by reading the whole namespace.)
select i.limit_key, k.due_at, k.look_at
from unnest(%(keys)s) as i (limit_key)
cross join lateral (
    select k.due_at, k.look_at
    from hydra_limit_key as k
    where k.namespace = %(namespace)s
        and k.limit_key = i.limit_key
    for update  -- guard R29: one look at a key at a time
) as k
