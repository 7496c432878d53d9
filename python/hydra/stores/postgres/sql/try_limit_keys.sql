-- Index: primary key of hydra_limit_key, see lock_limit_keys. Those that nobody holds.
select i.limit_key, k.due_at, k.look_at
from unnest(%(keys)s) as i (limit_key)
cross join lateral (
    select k.due_at, k.look_at
    from hydra_limit_key as k
    where k.namespace = %(namespace)s
        and k.limit_key = i.limit_key
    for update skip locked
) as k
