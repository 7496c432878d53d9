-- Index: primary key of hydra_limit_key. Those that nobody holds.
select k.limit_key, k.due_at, k.look_at
from hydra_limit_key as k
where k.namespace = %(namespace)s
    and k.limit_key = any(%(keys)s)
order by k.limit_key
for update skip locked
