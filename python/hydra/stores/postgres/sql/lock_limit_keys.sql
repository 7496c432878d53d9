-- Index: primary key of hydra_limit_key. In the order of the keys. Lock order: after executions; whoever has a key
-- waits for no execution.
select k.limit_key, k.due_at, k.look_at
from hydra_limit_key as k
where k.namespace = %(namespace)s
    and k.limit_key = any(%(keys)s)
order by k.limit_key
for update  -- guard R29: one look at a key at a time
